"""Samples of train and validation that resemble one of a later split: refused or only told, as declared.

The test split stays as it is. What resembles one of its own split is counted.
"""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pyarrow import Table

from tasks.leaks import resemblance
from tasks.leaks.fingerprints import fingerprint
from tasks.leaks.marks import Marks
from tasks.leaks.resemblance import Resemblance
from tasks.modalities.reading import Refusal, Row
from tasks.modalities.shards import INDEX, Prepared, write_shard
from tasks.objectives import Array
from tasks.schema import NearDuplicates
from tasks.workspace import write_json

SPLITS = ("train", "validation", "test")
"""A sample gives way to one of a later split, never to one of an earlier."""
MEND = "leave it out, keep both in one split by a group, or set preprocess.near_duplicates.across_splits to report"
TABLE, ABOUT = "near_duplicates.csv", "near_duplicates.json"


class Copy(NamedTuple):
    """A row of near_duplicates.csv: a sample, the one of a later split that it resembles most, and how much."""

    split: str
    name: str
    other_split: str
    other_name: str
    likeness: float


class Settled(NamedTuple):
    """What is left: the positions of the kept among the prepared samples, the refused, how many resembled others."""

    kept: list[int]
    refused: list[Refusal]
    found: int


def settle(folder: Path, samples: Table, marks: Marks, settings: NearDuplicates) -> Settled:
    """Look for near duplicates among the prepared samples in `folder`, and take out those to be refused.

    `samples` are their rows of the manifest, in order. Writes near_duplicates.csv and near_duplicates.json.
    """
    rows = samples.select([*Row._fields[1:], "split"]).to_pylist()
    known = [split for split in SPLITS if any(row["split"] == split for row in rows)]
    splits = np.array([known.index(row["split"]) for row in rows], np.int64)
    looks = fingerprint(marks.modality)
    found = resemblance.find(looks, marks.of(Prepared(folder), rows), splits, len(known), settings.likeness)
    copies = {row: _copies(found, row, rows, known) for row in range(len(rows))}
    copies = {row: ones for row, ones in copies.items() if ones}
    _write(folder, copies, settings.model_dump() | {"within": _within(found, splits, known)})
    gone = set(copies) if settings.across_splits == "refuse" else set()
    _leave_out(folder, gone)
    kept = [row for row in range(len(rows)) if row not in gone]
    refused = [Refusal(rows[row]["name"], rows[row]["id"], _reason(copies[row]), MEND) for row in copies if row in gone]
    return Settled(kept, refused, len(copies))


def _copies(found: Resemblance, row: int, rows: list[dict[str, str]], known: list[str]) -> list[Copy]:
    """Return what sample `row` resembles in later splits, the last split first."""
    own = known.index(rows[row]["split"])
    later = [split for split in range(len(known) - 1, own, -1) if found.partner[row, split] >= 0]
    return [
        Copy(
            rows[row]["split"],
            rows[row]["name"],
            known[split],
            rows[int(found.partner[row, split])]["name"],
            round(float(found.likeness[row, split]), 4),
        )
        for split in later
    ]


def _within(found: Resemblance, splits: Array, known: list[str]) -> dict[str, int]:
    """Count the samples of each split that resemble another one of it."""
    return {name: int((found.partner[splits == split, split] >= 0).sum()) for split, name in enumerate(known)}


def _reason(copies: list[Copy]) -> str:
    first = copies[0]
    return f"resembles {first.other_name} of the {first.other_split} split (likeness {first.likeness:.2f})"


def _write(folder: Path, copies: dict[int, list[Copy]], about: dict[str, object]) -> None:
    with (folder / TABLE).open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(Copy._fields)
        table.writerows(copy for ones in copies.values() for copy in ones)
    write_json(folder / ABOUT, about)


def _leave_out(folder: Path, gone: set[int]) -> None:
    """Write those shards again that hold samples of the rows `gone`, without them."""
    prepared, counts = Prepared(folder), []
    for number, rows in enumerate(prepared.shards()):
        kept = [row for row in rows if row not in gone]
        if len(kept) < len(rows):
            write_shard(folder, number, [prepared[row] for row in kept])
        counts.append(len(kept))
    write_json(folder / INDEX, counts)
