"""Reads CSV, TSV, JSONL and Parquet files as text: nothing is guessed to be a number, a date or missing."""

import json
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.errors import SourceError


def read(path: Path) -> pd.DataFrame:
    """Return the table's cells as strings, an empty one where there is no value.

    The index counts rows as the user does: the first row below a CSV's header is row 2, a JSONL's first line
    and a Parquet file's first row are row 1. SourceError if the file is missing, broken, not UTF-8 or of
    another kind than its suffix says.
    """
    if path.suffix.lower() not in READERS:
        raise SourceError(f"{path.name}: is no table by its name; expected one of {', '.join(READERS)}")
    if not path.is_file():
        raise SourceError(f"{path}: there is no such table")
    try:
        return READERS[path.suffix.lower()](path)
    except UnicodeDecodeError:
        raise SourceError(f"{path.name}: {_not_utf8(path)}") from None
    except OSError as error:
        raise SourceError(f"{path.name}: cannot be read: {' '.join(str(error).split())}") from None


def require(table: pd.DataFrame, columns: Iterable[str], name: str) -> None:
    """Raise SourceError, which lists the columns there are, if one is missing."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        there = ", ".join(map(str, table.columns)) or "none"
        raise SourceError(f"{name}: no column {', '.join(missing)}; there are: {there}")


def _delimited(path: Path, delimiter: str) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            # pandas only warns when rows are longer than the header, and drops what is beyond it.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path,
                sep=delimiter,
                dtype=str,
                keep_default_na=False,
                index_col=False,
                skip_blank_lines=False,
                encoding="utf-8-sig",
            )
    except pd.errors.EmptyDataError:
        raise SourceError(f"{path.name}: is empty; expected a header and rows") from None
    except pd.errors.ParserWarning:
        raise SourceError(f"{path.name}: its rows have more cells than its header") from None
    except pd.errors.ParserError as error:
        raise SourceError(f"{path.name}: {' '.join(str(error).split())}") from None
    table.index = pd.RangeIndex(2, len(table) + 2)
    return table[(table != "").any(axis=1)]


def _jsonl(path: Path) -> pd.DataFrame:
    rows: dict[int, dict[str, str]] = {}
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                rows[number] = _json_row(line, f"{path.name} row {number}")
    # As objects: pandas' own texts cannot hold half a surrogate, which JSON can; such a row is refused by itself.
    return pd.DataFrame.from_dict(rows, orient="index", dtype=object).fillna("")


def _json_row(line: str, name: str) -> dict[str, str]:
    try:
        row = json.loads(line, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        raise SourceError(f"{name}: is no JSON ({error})") from None
    if not isinstance(row, dict):
        raise SourceError(f"{name}: is no JSON object")
    return {key: _text(value) for key, value in row.items()}


def _text(value: Any) -> str:
    """Return a JSON value as text: a string as it is, null as nothing, the rest as JSON writes it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _parquet(path: Path) -> pd.DataFrame:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
        columns = {name: table[name].cast(pyarrow.string()).to_pylist() for name in table.column_names}
    except pyarrow.ArrowException as error:
        raise SourceError(f"{path.name}: is no table of texts and numbers ({error})") from None
    return pd.DataFrame(columns, index=pd.RangeIndex(1, table.num_rows + 1), dtype=str).fillna("")


READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": partial(_delimited, delimiter=","),
    ".tsv": partial(_delimited, delimiter="\t"),
    ".jsonl": _jsonl,
    ".parquet": _parquet,
}


def _not_utf8(path: Path) -> str:
    """Say which byte is not UTF-8 and what to do."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                found = f"line {number} is not UTF-8 (byte 0x{line[error.start]:02x} at position {error.start})"
                return f"{found}; save the table as UTF-8, e.g. `iconv -f WINDOWS-1252 -t UTF-8`"
    return "is not UTF-8; save the table as UTF-8"
