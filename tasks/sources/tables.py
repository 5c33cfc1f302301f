"""Reads CSV, TSV, JSONL and Parquet files as text: nothing is guessed to be a number, a date or missing."""

import json
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.errors import SourceError
from tasks.sources import contents

UNUSABLE = "unusable"
"""The attribute of a table that says which of its columns cannot be used, and why."""
FIELDS, OPEN = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)"), re.compile(r"starting at row (\d+)")
"""What pandas says of a row with too many cells, and of a quotation mark that is never closed (rows from 0)."""


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
        strange = None if path.suffix.lower() == ".parquet" else contents.misnamed(path)
        if strange:
            raise SourceError(f"{path.name}: {strange}")
        return READERS[path.suffix.lower()](path)
    except UnicodeDecodeError:
        raise SourceError(f"{path.name}: {_not_utf8(path)}") from None
    except OSError as error:
        raise SourceError(f"{path.name}: cannot be read: {' '.join(str(error).split())}") from None


def require(table: pd.DataFrame, columns: Iterable[str], name: str) -> None:
    """Raise SourceError, which lists the columns there are, if one of `columns` is missing or cannot be used."""
    wanted = list(columns)
    missing = [column for column in wanted if column not in table.columns]
    if missing:
        there = ", ".join(column if column == column.strip() else repr(column) for column in map(str, table)) or "none"
        raise SourceError(f"{name}: no column {', '.join(missing)}; there are: {there}{_hint(table, missing, name)}")
    for column in wanted:
        if column in table.attrs.get(UNUSABLE, {}):
            raise SourceError(f"{name}: column {column} {table.attrs[UNUSABLE][column]}")


def _hint(table: pd.DataFrame, missing: list[str], name: str) -> str:
    """Say what may be wrong where columns are missing: another separator, or names that are nearly the same."""
    there = list(map(str, table.columns))
    for separator, told in SEPARATORS.items():
        if len(there) == 1 and separator in there[0] and not name.endswith(told["suffix"]):
            return f"; is it separated by {told['called']}? {told['mend'].format(name=name)}"
    alike = {column.strip().casefold(): column for column in there}
    near = [repr(alike[column.strip().casefold()]) for column in missing if column.strip().casefold() in alike]
    return f". Did you mean {' and '.join(near)}? Mend the header, or ingest.source.columns" if near else ""


SEPARATORS = {
    ";": {"suffix": "-", "called": "';'", "mend": "Save it with commas"},
    "\t": {"suffix": ".tsv", "called": "tabs", "mend": "Let its name end in .tsv"},
    ",": {"suffix": ".csv", "called": "commas", "mend": "Let its name end in .csv"},
    "|": {"suffix": "-", "called": "'|'", "mend": "Save it with commas"},
}
"""What a header of a single cell may be cut by instead, if the table's suffix is another."""


def _delimited(path: Path, delimiter: str) -> pd.DataFrame:
    try:
        rows = pd.read_csv(
            path,
            sep=delimiter,
            header=None,
            dtype=str,
            keep_default_na=False,
            index_col=False,
            skip_blank_lines=False,
            encoding="utf-8-sig",
        )
    except pd.errors.EmptyDataError:
        raise SourceError(f"{path.name}: is empty; expected a header and rows") from None
    except pd.errors.ParserError as error:
        raise SourceError(f"{path.name}: {_unparsable(str(error), delimiter)}") from None
    header, table = rows.iloc[0], rows.iloc[1:]
    if (header == "").all():
        raise SourceError(f"{path.name}: is empty; expected a header and rows")
    twice = dict.fromkeys(header[header.duplicated()], "stands twice in the header; rename one")
    table = table.loc[:, ~header.duplicated()].set_axis(header[~header.duplicated()].tolist(), axis=1)
    table.index = pd.RangeIndex(2, len(table) + 2)
    table.attrs[UNUSABLE] = twice
    return table[(table != "").any(axis=1)]


def _unparsable(said: str, delimiter: str) -> str:
    """Put what pandas says of a broken file into the user's words."""
    if found := FIELDS.search(said):
        mend = f"put cells that hold a {delimiter!r} in quotation marks"
        return f"line {found[2]} has {found[3]} cells, the header {found[1]}; {mend}"
    if found := OPEN.search(said):
        mend = 'close it, or write "" for a mark inside a cell'
        return f"a quotation mark opened in row {int(found[1]) + 1} is never closed; {mend}"
    return " ".join(said.split())


def _jsonl(path: Path) -> pd.DataFrame:
    rows: dict[int, dict[str, str]] = {}
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                rows[number] = _json_row(line, f"{path.name} row {number}")
    # As objects: a string type of pandas' own cannot hold what is no valid Unicode, which is refused by name later.
    return pd.DataFrame.from_dict(rows, orient="index", dtype=object).fillna("")


_ARRAY = "write one object a line, not an array (`jq -c '.[]'` does it)"


def _json_row(line: str, name: str) -> dict[str, str]:
    try:
        row = json.loads(line, parse_int=str, parse_float=str)
    except (json.JSONDecodeError, RecursionError) as error:
        reason = error if isinstance(error, json.JSONDecodeError) else "nested too deep"
        mend = _ARRAY if line.lstrip().startswith("[") else "write one JSON object a line"
        raise SourceError(f"{name}: is no JSON ({reason}); {mend}") from None
    if not isinstance(row, dict):
        raise SourceError(f"{name}: is no JSON object; {_ARRAY}")
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
    except pyarrow.ArrowException as error:
        reason = str(error).rpartition("': ")[2].split(". ")[0]
        raise SourceError(f"{path.name}: is no table of texts and numbers, or not all of it ({reason})") from None
    columns, unusable = {}, {}
    for name in table.column_names:
        try:
            columns[name] = table[name].cast(pyarrow.string()).to_pylist()
        except pyarrow.ArrowException:
            columns[name] = [None] * table.num_rows
            unusable[name] = f"holds {table[name].type}; expected texts or numbers"
    made = pd.DataFrame(columns, index=pd.RangeIndex(1, table.num_rows + 1), dtype=str).fillna("")
    made.attrs[UNUSABLE] = unusable
    return made


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
