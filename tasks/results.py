"""What docs/results.md reports: the rows of study/plan.yaml."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from tasks import config
from tasks.errors import ConfigError
from tasks.schema import Count, Section, Share

PLAN = "plan.yaml"


class Curves(Section):
    """Shares of the train split, and of each data set the trainings that are drawn over them."""

    shares: list[Share]
    trainings: dict[str, list[str]]


class Plan(Section):
    """The trainings of each data set side by side, recipes with an aim, looks at other domains, curves over labels.

    A training is called by its data set and its strategy, `solar-cells-full`, or by its name.
    """

    seeds: Count
    strategies: dict[str, list[str]]
    shifts: list[str]
    recipes: list[str]
    curves: Curves

    def trainings(self) -> Iterator[str]:
        """Yield every training that learns from the whole train split, in the order they are measured."""
        yield from self.shifts
        for dataset, strategies in self.strategies.items():
            yield from (f"{dataset}-{strategy}" for strategy in strategies)
        yield from self.recipes

    def curve_trainings(self) -> Iterator[str]:
        """Yield every training whose curve is drawn."""
        for dataset, strategies in self.curves.trainings.items():
            yield from (f"{dataset}-{strategy}" for strategy in strategies)


def read_plan(study: Path) -> Plan:
    """Read plan.yaml; ConfigError where it is no plan or names a training that params.yaml beside it has not."""
    loaded = config.load(study)
    try:
        plan = Plan.model_validate(config.read_yaml(study / PLAN))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{PLAN}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    for name in (*plan.trainings(), *plan.curve_trainings()):
        config.training(loaded, name)
    return plan
