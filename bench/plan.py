"""What is measured: bench/plan.yaml, typed."""

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from tasks.config import read_yaml
from tasks.errors import ConfigError
from tasks.schema import Count, Section

PLAN = Path(__file__).with_name("plan.yaml")
Step = Literal["cold", "noop", "head", "more", "one", "many", "measure"]
"""First model; again, nothing changed; another head; 1 % more data; answers for 1 and for 32; a micro-bench."""


class Contestant(Section):
    """Who is measured. `module`: a rival's file, or one of ours; `environment`: null is our own.

    Of ours `training` is what is learnt and `way` how: the flow a user runs, or the stages alone, unrecorded.
    `steps` are measured; of `again` it is known that the user runs the same once more, so that the first model's time
    stands for them.
    """

    says: str
    module: str
    environment: str | None
    training: str | None
    way: Literal["flow", "stages"] | None
    steps: list[Step]
    again: list[Step]


class Suite(Section):
    """Contestants on the same samples. `rows`: about so many; `recipe`: our training whose settings rivals share.

    `reference`: the contestant of ours that the others are compared with.
    """

    says: str
    dataset: str
    rows: Count
    recipe: str
    seconds_limit: Count
    reference: str
    contestants: dict[str, Contestant]


class Scale(Section):
    """The sizes at which the stages are timed; `side`: of the pictures, in pixels.

    `pictures`: the data set whose copies, `noop_files` of them, are run once for the sake of running them again.
    """

    datasets: list[str]
    sizes: list[Count]
    side: Count
    pictures: str
    noop_files: Count


class Plan(Section):
    """`repeats` of all, with so many `threads` each; no step takes longer than `limit_seconds`."""

    repeats: Count
    threads: Count
    limit_seconds: Count
    suites: dict[str, Suite]
    scale: Scale


def read_plan(path: Path) -> Plan:
    """Read the plan; ConfigError where it is none."""
    try:
        plan = Plan.model_validate(read_yaml(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{path.name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    for name, suite in plan.suites.items():
        if suite.reference not in suite.contestants:
            raise ConfigError(f"{path.name}: suites.{name}.reference: no contestant is called {suite.reference!r}")
    return plan
