"""How the rows of a database's query lie; its address stands in an environment variable and is never shown."""

import os
from typing import Any

import pandas as pd

from tasks.errors import SourceError
from tasks.inspection import columns
from tasks.inspection.request import Layout, Request
from tasks.inspection.tabular import told
from tasks.sources import Refused, Sample

ROWS_MOST = 100_000
"""So many rows are looked at."""


def layout(request: Request) -> Layout:
    """Return how the query's rows are read; SourceError where they cannot be had or hold no label."""
    assert request.query is not None  # noqa: S101 - asked for only where there is one
    address = os.environ.get(request.address)
    if not address:
        raise SourceError(
            f"{request.address}: there is no such environment variable; set it to the database's address, as in "
            f"{'DATABASE' if '://' in request.address else request.address}=postgresql://user:password@host/name"
        )
    table = _read(request, address)
    if table.empty:
        raise SourceError(f"{request.address}: the query answers with no rows")
    found = columns.choose(table, "the query", request, lambda cell: False)
    source = {
        "kind": "sql", "path": f"data/{request.name}/source", "address": request.address, "query": request.query,
        "content": "text", "columns": found.columns,
    }  # fmt: skip
    said = [*told("the query", found), *found.said]
    if len(table) == ROWS_MOST:
        said.append(f"only the first {ROWS_MOST:,} rows were looked at")
    return Layout("text", source, samples(table, found.columns), said, {}, found.columns["split"] is not None,
                  found.repeated, whole=True)  # fmt: skip


def samples(table: pd.DataFrame, chosen: dict[str, str | None]) -> list[Sample | Refused]:
    """Return a sample of each row, by the columns chosen."""
    nothing = pd.Series("", index=table.index)
    cells = [nothing if name is None else table[name] for name in chosen.values()]
    return [Sample(f"row {number}", *row) for number, row in enumerate(zip(*cells, strict=True), start=1)]


def _read(request: Request, address: str) -> pd.DataFrame:
    """Return the first rows as texts; an error is told without the address, which may hold a password."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with create_engine(address).connect() as connection:
            answer = connection.execute(text(str(request.query)))
            names, rows = list(answer.keys()), answer.fetchmany(ROWS_MOST)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        said = " ".join(str(getattr(error, "orig", None) or type(error).__name__).replace(address, "...").split())
        raise SourceError(
            f"{request.address}: the query cannot be asked ({said}); mend the address or --query"
        ) from None
    return pd.DataFrame([[_text(cell) for cell in row] for row in rows], columns=names, dtype=str)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
