"""Counts rows as ingest will: which are usable, the same as another, of two labels, and where a split puts them."""

from math import isfinite
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pandas as pd

from tasks.errors import SourceError
from tasks.inspection.request import Layout
from tasks.schema import AnyDataset, ColumnSplit, Split
from tasks.sources import Refused, Sample, rows, splits

MOST_BYTES = 2 * 2**30
"""How much is read to find what is the same; of more data an even part is looked at."""
REGRESSION_VALUES = 20
"""From so many different numbers on, labels are quantities rather than classes."""


class Census(NamedTuple):
    """`table`: the usable rows, once each, by id: id, name, content, label, group, split, confidence.

    `found` rows there are, `looked` of them read. `duplicates`: how many hold the same as another.
    """

    table: pd.DataFrame
    refused: list[Refused]
    found: int
    looked: int
    duplicates: int


def taken(layout: Layout, objective: str) -> Census:
    """Judge the rows of a layout whose labels are to be classes or numbers."""
    if not layout.whole:
        return _by_names(layout)
    read = bounded(layout.rows, MOST_BYTES)
    split = ColumnSplit(kind="column") if layout.split else None
    judged_by = SimpleNamespace(objective=objective, ingest=SimpleNamespace(split=split))
    table, refused = rows.judge(read, cast(AnyDataset, judged_by))
    table, contradicting = rows.without_contradictions(table)
    once = table.drop_duplicates("id").sort_values("id", ignore_index=True)
    return Census(once, refused + contradicting, len(layout.rows), len(read), len(table) - len(once))


def _by_names(layout: Layout) -> Census:
    """Count samples that lie elsewhere: each is taken for usable, and for another than the rest."""
    named = [row for row in layout.rows if isinstance(row, Sample)]
    table = pd.DataFrame(named, columns=list(Sample._fields)).assign(
        confidence=1.0, id=[str(row.content) for row in named]
    )
    table["label"] = table["label"].str.strip()
    return Census(table.drop_duplicates("id", ignore_index=True), [], len(layout.rows), len(layout.rows), 0)


def bounded(found: list[Sample | Refused], most_bytes: int) -> list[Sample | Refused]:
    """Return the rows, or every so-manieth where their files hold more than `most_bytes`."""
    sizes = sum(_size(row) for row in found)
    step = -(-sizes // most_bytes) if sizes > most_bytes else 1
    return found[::step]


def objective(layout: Layout) -> tuple[str, str]:
    """Return classification or regression, and why: by how many different numbers the labels are."""
    labels = {row.label.strip() for row in layout.rows if isinstance(row, Sample)} - {""}
    if all(_is_number(label) for label in labels) and len(labels) > REGRESSION_VALUES:
        return "regression", f"{len(labels):,} different numbers"
    kind = "numbers, few enough to be classes" if all(_is_number(label) for label in labels) else "labels"
    return "classification", f"{len(labels):,} different {kind}"


def placed(census: Census, split: Split) -> "pd.Series[Any] | None":
    """Return where `split` puts each row of the census; null where one of the three stays empty or a group is torn."""
    try:
        return splits.assign(census.table, split)
    except SourceError:
        return None


def _size(row: Sample | Refused) -> int:
    if not isinstance(row, Sample) or not isinstance(row.content, Path):
        return 0
    try:
        return row.content.stat().st_size
    except OSError:
        return 0


def _is_number(label: str) -> bool:
    try:
        return isfinite(float(label))
    except ValueError:
        return False
