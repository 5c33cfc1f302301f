"""Every refused sample of a data set in one list, data/NAME/refused.csv: which stage, what, why and what to do."""

import csv
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tasks.workspace import Workspace

COLUMNS = ("stage", "name", "reason", "mend")


def tell(workspace: Workspace, refused: dict[str, Iterable[Any]]) -> Path:
    """Write the list in one step, of each stage's rows, which have name, reason and mend; return where it is.

    Like a report it belongs to no stage: it follows from raw/refused.csv and prepared/refused.csv, or from what a
    stage found that stopped.
    """
    listed = io.StringIO()
    table = csv.writer(listed, lineterminator="\n")
    table.writerow(COLUMNS)
    for stage, rows in refused.items():
        table.writerows((stage, row.name, row.reason, row.mend) for row in rows)
    target = workspace.home / "refused.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".refused.csv.{os.getpid()}")
    beside.write_text(listed.getvalue(), encoding="utf-8", newline="")
    beside.replace(target)
    return target


def written(folder: Path, row: type[Any]) -> Iterator[Any]:
    """Read refused.csv of raw/ or prepared/ as rows of the tuple `row`; none where there is no such file."""
    place = folder / "refused.csv"
    if place.exists():
        with place.open(encoding="utf-8", newline="") as stream:
            for found in csv.DictReader(stream):
                yield row(*(found.get(name) or "" for name in row._fields))
