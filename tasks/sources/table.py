"""A table whose rows are texts, or name files below the table's folder."""

from pathlib import Path

import pandas as pd

from tasks.errors import SourceError
from tasks.schema import Columns, TableSource
from tasks.sources import Refused, Sample, files, tables

LONGEST = 10_000_000
"""Characters of a cell: more than any book has. A longer one is a table whose quotation marks went astray."""


def licence(source: TableSource) -> None:
    """Nothing is fetched."""


def find(source: TableSource, root: Path, scratch: Path) -> list[Sample | Refused]:
    """Find a sample per row. A row whose file is missing is refused."""
    path = root / source.path
    return samples(path, source.columns, path.parent if source.content == "path" else None)


def samples(path: Path, columns: Columns, folder: Path | None) -> list[Sample | Refused]:
    """Read the table at `path`: rows name files of `folder`, or are texts where that is None."""
    table = tables.read(path)
    named = [columns.content, columns.label, columns.group, columns.split, columns.confidence]
    tables.require(table, [name for name in named if name is not None], path.name)
    if table.empty:
        raise SourceError(f"{path.name}: is empty; expected a row per sample")
    nothing = pd.Series("", index=table.index)
    cells = [nothing if name is None else table[name] for name in named]
    rows = zip(table.index, *cells, strict=True)
    return [_sample(f"{path.name} row {number}", folder, *row) for number, *row in rows]


def _sample(
    row: str, folder: Path | None, content: str, label: str, group: str, split: str, confidence: str
) -> Sample | Refused:
    if any("\0" in cell for cell in (content, label, group, split, confidence)):
        return Refused(row, "holds a NUL byte, which no text has", "save the table anew")
    if len(content) > LONGEST:
        return Refused(
            row, f"has {len(content):,} characters", "close the quotation mark that is missing, or take it out"
        )
    if folder is None:
        return Sample(row, content, label, group, split, confidence)
    if not content:
        return Refused(row, "names no file", "name one, or take the row out")
    return files.sample(folder, content, label, group, split, confidence)
