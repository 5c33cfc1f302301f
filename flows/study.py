"""`transfer results`: measures what study/plan.yaml lists, row by row, and writes docs/results.md of what there is."""

import os
import subprocess
import sys
from pathlib import Path

from flows import console
from tasks import config
from tasks.errors import TransferError
from tasks.schema import AnyDataset, Config
from tasks.study.plan import Plan, Row, read_plan
from tasks.workspace import Workspace

FOLDER = "study"


def results(root: Path, page_only: bool) -> int:
    """Measure what is not yet measured, the first seed of every row first, and write the page; return the exit code.

    Stopped, it goes on where it was: every measurement is kept, and a training goes on from its last checkpoint.
    """
    study = root.resolve() / FOLDER
    plan = read_plan(study)
    failed = [] if page_only else _measured(study, plan)
    from tasks.study import page

    written = page.write(root, study, plan)
    console.out.print(f"page   {written.relative_to(root)}")
    if failed:
        console.failure(f"not measured: {', '.join(failed)}; the reasons stand above")
    return 1 if failed else 0


def _measured(study: Path, plan: Plan) -> list[str]:
    """Prepare the data sets and measure all rows; return what failed, which keeps nothing else from going on."""
    loaded = config.load(study)
    asked = dict.fromkeys(loaded.trainings[row.training].dataset for row in plan.rows(1))
    failed = [name for name in asked if not _prepared(study, loaded.datasets[name])]
    failed += [name for name in plan.backbones if _call(study, "-m", "flows.cli", "rank", name)]
    # The first seed of all rows before the second: what stands already costs nothing again.
    rows = [row for seeds in range(1, plan.seeds + 1) for row in plan.rows(seeds)]
    for number, row in enumerate(rows, start=1):
        if _answered(study, loaded, row):
            continue
        console.err.print(f"{number}/{len(rows)}  transfer {' '.join(row.command())}")
        if _call(study, "-m", "flows.cli", *row.command()):
            failed.append(row.training)
    return list(dict.fromkeys(failed))


def _answered(study: Path, loaded: Config, row: Row) -> bool:
    """Tell whether each seed of the row is measured already."""
    from tasks.experiments.measurements import known, repeated

    params = loaded.trainings[row.training]
    workspace = Workspace(study, params.dataset)
    return all(known(one, workspace) for one in repeated(params, row.seeds, 0, row.share, test=True))


def _prepared(study: Path, dataset: AnyDataset) -> bool:
    """Make the samples and features of a data set, unless they are there."""
    from tasks.experiments.measurements import check_ground

    name = dataset.name
    try:
        check_ground(dataset, Workspace(study, name))
    except TransferError:
        return not any(_call(study, "-m", "tasks", stage, name) for stage in ("ingest", "preprocess", "extract"))
    return True


def _call(study: Path, *arguments: str) -> int:
    """Run this Python in the study's folder, with this project's code."""
    environment = os.environ | {"PYTHONPATH": str(study.parent)}
    return subprocess.run([sys.executable, *arguments], cwd=study, env=environment, check=False).returncode
