"""The rows of a database's query. Its address may hold a password: it is never shown, stored or logged."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from tasks.errors import SourceError, UnreachableError
from tasks.schema import SqlSource
from tasks.sources import Refused, Sample, files, state

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, CursorResult

ORDERED = re.compile(r"\border\s+by\b", re.IGNORECASE)
DENIED = re.compile(r"authenticat|denied|login failed|no password|role .* does not exist", re.IGNORECASE)
"""How databases say that waiting will not help."""
SECRET = re.compile(r"pass|pwd|secret|token|key", re.IGNORECASE)
Cells = tuple[str, str, str, str, str]
"""Content, label, group, split and confidence of a row, as text."""


def licence(source: SqlSource) -> None:
    """The rows are the user's own."""


def find(source: SqlSource, root: Path, scratch: Path) -> list[Sample | Refused]:
    """Find a sample per row, named "query row 17". The order in which a database answers changes nothing else."""
    rows = _rows(source)
    state.keep(root / source.path, _held(rows))
    folder = root / source.path if source.content == "path" else None
    numbered = [(cells, number) for number, cells in enumerate(rows, start=1)]
    return [_sample(f"query row {number}", folder, cells) for cells, number in sorted(numbered)]


def look(source: SqlSource, root: Path) -> None:
    """Note the number of the rows and one sha256 over them."""
    state.keep(root / source.path, _held(_rows(source)))


def _held(rows: list[Cells]) -> dict[str, Any]:
    return {"rows": len(rows), "sha256": state.digest(sorted(rows))}


def _sample(row: str, folder: Path | None, cells: Cells) -> Sample | Refused:
    if folder is None:
        return Sample(row, *cells)
    return (
        files.sample(folder, *cells)
        if cells[0]
        else Refused(row, "names no file", "name one, or leave it out of the query")
    )


def _rows(source: SqlSource) -> list[Cells]:
    """Return what the query answers: in its own order if it asks for one, else by content."""
    with _answer(source) as (connection, url):
        try:
            # As it stands: neither ":word" nor "%" is a parameter. Whatever the query does is rolled back.
            answer = connection.execution_options(no_parameters=True).exec_driver_sql(source.query)
            rows = list(_cells(answer, source))
        except SourceError:
            raise
        except Exception as error:
            kind = UnreachableError if getattr(error, "connection_invalidated", False) else SourceError
            raise kind(f"{source.address}: the query failed ({_said(error, url)}); mend ingest.source.query") from None
    if not rows:
        raise SourceError(f"{source.address}: the query answered without a row; mend ingest.source.query")
    return rows if ORDERED.search(source.query) else sorted(rows)


def _cells(answer: "CursorResult[Any]", source: SqlSource) -> Iterator[Cells]:
    if not answer.returns_rows:
        raise SourceError(f"{source.address}: the query answers no rows; write a SELECT into ingest.source.query")
    names, columns = list(answer.keys()), source.columns
    wanted = (columns.content, columns.label, columns.group, columns.split, columns.confidence)
    missing = [name for name in wanted if name is not None and name not in names]
    if missing:
        raise SourceError(f"{source.address}: the query has no column {', '.join(missing)}; there are: {_list(names)}")
    places = [None if name is None else names.index(name) for name in wanted]
    for row in answer:
        content, label, group, split, confidence = ("" if at is None else _text(row[at]) for at in places)
        yield content, label, group, split, confidence


def _text(value: Any) -> str:
    """Return a value as text, NULL as nothing. Bytes that are no UTF-8 become what is refused as no valid Unicode."""
    if value is None:
        return ""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "surrogateescape")
    return str(value)


@contextmanager
def _answer(source: SqlSource) -> "Iterator[tuple[Connection, URL]]":
    """Yield a connection that commits nothing, and the address; SourceError where there is none."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import NoSuchModuleError
    from sqlalchemy.pool import NullPool

    url = _address(source)
    try:
        engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    except NoSuchModuleError:
        raise SourceError(f"{source.address}: no database is called {url.drivername}; mend the address") from None
    except ImportError as error:
        missing = error.name or url.drivername
        advice = "install the package that brings it"
        raise SourceError(f"{source.address}: its driver {missing} is not installed; {advice}") from None
    except Exception as error:
        raise SourceError(f"{source.address}: is no usable address ({_said(error, url)})") from None
    try:
        connection = engine.connect()
    except Exception as error:
        said = _said(error, url)
        kind, advice = (SourceError, "mend it") if DENIED.search(said) else (UnreachableError, "try again, or mend it")
        raise kind(f"{source.address}: the database cannot be reached ({said}); {advice}") from None
    with connection:
        yield connection, url


def _address(source: SqlSource) -> "URL":
    """Return the address that the declared variable holds; no message shows what it is."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    if not source.address.isidentifier():
        advice = "the address itself does not belong in params.yaml"
        raise SourceError(f"ingest.source.address: must name an environment variable, as REVIEWS_DATABASE; {advice}")
    expected = "an address such as postgresql://user:password@host/name or sqlite:////folder/file.db"
    given = os.environ.get(source.address, "")
    if not given:
        raise SourceError(f"{source.address}: this environment variable is not set; let it hold {expected}")
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise SourceError(f"{source.address}: what this environment variable holds is not {expected}") from None
    # SQLite would create the file and then miss the table.
    if url.get_backend_name() == "sqlite" and _is_gone(url.database or ""):
        raise SourceError(f"{source.address}: there is no database file {url.database or '(it names none)'}")
    return url


def _is_gone(database: str) -> bool:
    return not database.startswith(("file:", ":memory:")) and not Path(database).is_file()


def _said(error: Exception, url: "URL") -> str:
    """Return what a driver says, on one line and without any secret of the address."""
    said = " ".join(str(getattr(error, "orig", None) or error).split()) or type(error).__name__
    values = {key: value if isinstance(value, str) else ",".join(value) for key, value in url.query.items()}
    secrets = [url.render_as_string(hide_password=False), str(url.password or "")]
    secrets += [value for key, value in values.items() if SECRET.search(key)]
    for secret in secrets:
        for written in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret)):
            said = said.replace(written, "***") if written else said
    return said


def _list(names: list[str]) -> str:
    return ", ".join(names) or "none"
