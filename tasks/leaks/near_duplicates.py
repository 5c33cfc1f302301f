"""Samples of train and validation that resemble one of a later split: refused or only told, as declared.

The test split stays as it is. What resembles one of its own split is counted.
"""

import csv
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pyarrow import Table

from tasks.leaks import resemblance
from tasks.leaks.fingerprints import Fingerprint, fingerprint
from tasks.leaks.resemblance import Resemblance
from tasks.modalities.reading import Reader, Refusal, Row, content
from tasks.modalities.shards import Prepared, write_shards
from tasks.objectives import Array
from tasks.parallel import batched
from tasks.progress import track
from tasks.schema import AnyDataset
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
    """What is left: the positions of the kept among the prepared samples, the refused, what those counted for."""

    kept: list[int]
    refused: list[Refusal]
    facts: dict[str, int]
    found: int


def settle(folder: Path, samples: Table, reader: Reader, params: AnyDataset) -> Settled:
    """Look for near duplicates among the prepared samples in `folder`, and take out those to be refused.

    `samples` are their rows of the manifest, in order. Writes near_duplicates.csv and near_duplicates.json.
    """
    rows = samples.select([*Row._fields[1:], "split"]).to_pylist()
    known = [split for split in SPLITS if any(row["split"] == split for row in rows)]
    splits = np.array([known.index(row["split"]) for row in rows], np.int64)
    looks, settings = fingerprint(params.modality), params.preprocess.near_duplicates
    marks = _marks(folder, rows, looks, reader)
    found = resemblance.find(looks, marks, splits, len(known), settings.likeness)
    copies = {row: _copies(found, row, rows, known) for row in range(len(rows))}
    copies = {row: ones for row, ones in copies.items() if ones}
    _write(folder, copies, settings.model_dump() | {"within": _within(found, splits, known)})
    gone = list(copies) if settings.across_splits == "refuse" else []
    prepared = Prepared(folder)
    facts = reader.decode.modality.facts([prepared[row] for row in gone])
    kept = [row for row in range(len(rows)) if row not in set(gone)]
    if gone:
        _rewrite(folder, kept, params.preprocess.shard)
    refused = [Refusal(rows[row]["name"], rows[row]["id"], _reason(copies[row]), MEND) for row in gone]
    return Settled(kept, refused, facts, len(copies))


def _marks(folder: Path, rows: list[dict[str, str | None]], looks: Fingerprint, reader: Reader) -> list[Array]:
    """Return the mark of each prepared sample, from its arrays or, where texts are meant, from what was raw."""
    prepared, marks = Prepared(folder), []
    for number, row in enumerate(track(rows, "comparing", len(rows))):
        text = None
        if looks.READS_TEXT:
            whole = Row(number, str(row["id"]), str(row["name"]), row["path"], row["text"])
            text = str(reader.decode(content(reader.raw, whole)))
        marks.append(looks.mark(prepared[number], text))
    return marks


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


def _rewrite(folder: Path, kept: list[int], shard: int) -> None:
    """Write the shards again with the samples at the positions `kept` alone, one shard in memory at a time."""
    prepared, fresh = Prepared(folder), folder / "kept"
    fresh.mkdir()
    write_shards(fresh, batched((prepared[row] for row in kept), shard))
    for old in folder.glob("shard-*"):
        old.unlink()
    for new in fresh.iterdir():
        new.replace(folder / new.name)
    shutil.rmtree(fresh)
