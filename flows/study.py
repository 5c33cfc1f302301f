"""`transfer results`: measures what study/plan.yaml lists, row by row, and writes docs/results.md of what there is."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from flows import console, side_by_side, stopping
from tasks import config
from tasks.errors import BusyError, TransferError
from tasks.schema import AnyDataset, Config
from tasks.study.plan import Plan, Row, read_plan
from tasks.workspace import HOLDER, Workspace

FOLDER = "study"
CLI = ("-m", "flows.cli")


def results(root: Path, page_only: bool, jobs: int | None) -> int:
    """Measure what is not yet measured, the first seed of every row first, and write the page; return the exit code.

    So many `jobs` at once; null: as many as suit the machine. Stopped, it goes on where it was: every measurement is
    kept, and a training goes on from its last checkpoint.
    """
    study = root.resolve() / FOLDER
    plan = read_plan(study)
    failed = [] if page_only else _measured(study, plan, jobs or side_by_side.suggested())
    from tasks.study import page

    written = page.write(root, study, plan)
    console.out.print(f"page   {written.relative_to(root)}")
    if failed:
        console.failure(f"not measured: {', '.join(failed)}; the reasons stand above")
    return 1 if failed else 0


class Measuring(NamedTuple):
    """A study's folder and parameters, by what each of its data sets is held, and how many rows go side by side."""

    study: Path
    loaded: Config
    holds: dict[str, str]
    jobs: int

    def measured(self, row: Row, number: str) -> bool:
        """Measure a row unless it is measured already; tell whether it is now."""
        if _answered(self.study, self.loaded, row):
            return True
        told, began = f"transfer {' '.join(row.command())}", time.monotonic()
        console.err.print(f"{number}  begun     {told}")
        environment = _environment(self.study, self.holds[_dataset(self.loaded, row)])
        limits = side_by_side.share(self.jobs)
        failed = side_by_side.call(self.study, [*CLI, *row.command()], environment | limits, row)
        became = "failed  " if failed else "measured"
        console.err.print(f"{number}  {became}  {told}   {console.duration(time.monotonic() - began)}")
        return not failed


def _measured(study: Path, plan: Plan, jobs: int) -> list[str]:
    """Prepare the data sets and measure all rows; return what failed, which keeps nothing else from going on.

    The data sets are held all the while: what measures their rows shares the hold, nobody else changes them.
    """
    stopping.end_at_once()
    loaded = config.load(study)
    asked = dict.fromkeys(_dataset(loaded, row) for row in plan.rows())
    with ExitStack() as stack:
        holds = {name: hold for name in asked if (hold := _ready(stack, study, loaded.datasets[name]))}
        failed = [name for name in asked if name not in holds]
        failed += [name for name in plan.backbones if name in holds and _call(study, holds[name], *CLI, "rank", name)]
        rows = [row for row in plan.rounds() if _dataset(loaded, row) in holds]
        measuring = Measuring(study, loaded, holds, jobs)
        failed += side_by_side.measure(rows, jobs, measuring.measured)
    return list(dict.fromkeys(failed))


def _dataset(loaded: Config, row: Row) -> str:
    return loaded.trainings[row.training].dataset


def _ready(stack: ExitStack, study: Path, dataset: AnyDataset) -> str | None:
    """Hold a data set, make its samples and features unless they are there, and return by what it is held.

    Null, and the reason is said, where one of them fails.
    """
    from tasks.experiments.measurements import check_ground

    workspace = Workspace(study, dataset.name)
    try:
        hold = stack.enter_context(workspace.locked("transfer results"))
    except BusyError as error:
        console.failure(str(error))
        return None
    try:
        check_ground(dataset, workspace)
    except TransferError:
        stages = ("ingest", "preprocess", "extract")
        return None if any(_call(study, hold, "-m", "tasks", stage, dataset.name) for stage in stages) else hold
    return hold


def _answered(study: Path, loaded: Config, row: Row) -> bool:
    """Tell whether each seed of the row is measured already."""
    from tasks.experiments.measurements import known, repeated

    params = loaded.trainings[row.training]
    workspace = Workspace(study, params.dataset)
    return all(known(one, workspace) for one in repeated(params, row.seeds, 0, row.share, test=True))


def _call(study: Path, hold: str, *arguments: str) -> int:
    """Run this Python in the study's folder, sharing the hold of a data set; return its exit code."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=study, env=_environment(study, hold), check=False).returncode


def _environment(study: Path, hold: str) -> dict[str, str]:
    """Return the environment of what works in the study's folder with this project's code."""
    return os.environ | {"PYTHONPATH": str(study.parent), HOLDER: hold}
