"""What is asked in a request's body: texts, or the bytes of files; never a path or an address, which are not followed.

The shapes are those of MLflow's scoring server: dataframe_split, dataframe_records, instances, inputs, or CSV.
"""

import base64
import binascii
import csv
import io
import json
from collections.abc import Callable
from typing import Any

COLUMNS = {"text": "text", "image": "content", "audio": "content"}
"""What the column is called that the model reads, by modality."""
WIDEST = 2**31 - 1
"""Characters of a cell: the body's limit is the server's."""


class WronglyAskedError(ValueError):
    """The body cannot be answered; says why and what is expected."""


def contents(body: bytes, kind: str, modality: str) -> list[str | bytes]:
    """Return what is asked, a text or the bytes of a file for each row.

    `kind` is the body's content type. Files come as base64. WronglyAskedError where it is none of the known shapes.
    """
    column = COLUMNS[modality]
    values = _from_csv(body, column) if kind.partition(";")[0].strip() == "text/csv" else _from_json(body, column)
    if not values:
        raise WronglyAskedError("there is no row in it")
    read = _text if modality == "text" else _file
    return [read(value, f"row {number} of {column}") for number, value in enumerate(values)]


def _from_csv(body: bytes, column: str) -> list[Any]:
    try:
        csv.field_size_limit(WIDEST)
        rows = list(csv.DictReader(io.StringIO(body.decode("utf-8")), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise WronglyAskedError(f"the body is no CSV in UTF-8 ({error})") from None
    if rows and column not in rows[0]:
        raise WronglyAskedError(f"the CSV has no column {column!r} but {', '.join(map(repr, rows[0]))}")
    return [row[column] for row in rows]


def _from_json(body: bytes, column: str) -> list[Any]:
    try:
        told = json.loads(body)
    except (UnicodeDecodeError, ValueError) as error:
        raise WronglyAskedError(f"the body is no JSON ({error})") from None
    except RecursionError:
        raise WronglyAskedError("the JSON is nested too deep") from None
    shapes = [name for name in SHAPES if isinstance(told, dict) and name in told]
    if len(shapes) != 1:
        raise WronglyAskedError(f"expected an object with one of {', '.join(SHAPES)}")
    if told.get("params"):
        raise WronglyAskedError("params: this model takes none")
    return SHAPES[shapes[0]](told[shapes[0]], column)


def _split(told: Any, column: str) -> list[Any]:
    columns, rows = (told.get(name) for name in ("columns", "data")) if isinstance(told, dict) else (None, None)
    if not isinstance(columns, list) or not isinstance(rows, list):
        raise WronglyAskedError('dataframe_split: expected {"columns": [...], "data": [[...], ...]}')
    if column not in columns:
        raise WronglyAskedError(f"dataframe_split.columns: expected {column!r} among them")
    place = columns.index(column)
    return [_cell(row, place, len(columns), number) for number, row in enumerate(rows)]


def _cell(row: Any, place: int, width: int, number: int) -> Any:
    if not isinstance(row, list) or len(row) != width:
        raise WronglyAskedError(f"dataframe_split.data: row {number} is no list of {width}")
    return row[place]


def _records(told: Any, column: str) -> list[Any]:
    if not isinstance(told, list):
        raise WronglyAskedError("dataframe_records: expected a list of objects")
    return [_field(row, column, number) for number, row in enumerate(told)]


def _field(row: Any, column: str, number: int) -> Any:
    if not isinstance(row, dict) or column not in row:
        raise WronglyAskedError(f"row {number} is no object with {column!r}")
    return row[column]


def _values(told: Any, column: str) -> list[Any]:
    if isinstance(told, dict) and isinstance(told.get(column), list):
        return list(told[column])
    if not isinstance(told, list):
        raise WronglyAskedError(f'expected a list, or {{"{column}": [...]}}')
    return [_field(row, column, number) if isinstance(row, dict) else row for number, row in enumerate(told)]


SHAPES: dict[str, Callable[[Any, str], list[Any]]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _values,
    "inputs": _values,
}


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise WronglyAskedError(f"{where}: expected a text, found {type(value).__name__}")
    return value


def _file(value: Any, where: str) -> bytes:
    if not isinstance(value, str):
        raise WronglyAskedError(f"{where}: expected a file's bytes in base64, found {type(value).__name__}")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise WronglyAskedError(
            f"{where}: is no base64; paths and addresses are not followed, send the bytes"
        ) from None
