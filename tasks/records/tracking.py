"""The door to MLflow, and the only file that imports it: what runs wrote down goes out, nobody waits for it.

MLflow takes seconds to import and to set up, so nothing here imports it before there is something to send.
"""

import logging
import os
import sqlite3
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from filelock import FileLock

from tasks.errors import RegistryError
from tasks.records import journal, posting
from tasks.records.courier import Courier

if TYPE_CHECKING:
    from mlflow import MlflowClient as MlflowClient

ADDRESS = "MLFLOW_TRACKING_URI"
SQLITE = "sqlite:///"
DAMAGED = ("file is not a database", "malformed")
BUSY_SECONDS = 3.0
"""How long a locked database is waited for; MLflow itself would wait 20 s at every statement."""
FINISH_SECONDS = 30.0
LOCK_SECONDS = 60.0
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}


def address(root: Path) -> str:
    """Return where runs are tracked: MLFLOW_TRACKING_URI, or the project's own database."""
    return os.environ.get(ADDRESS) or f"{SQLITE}{root.resolve() / '.local' / 'mlflow.db'}"


def deliver(root: Path) -> Future[None]:
    """Begin to send what waits in the project's journals, and return at once."""
    return _courier(root.resolve()).order()


def finish(root: Path) -> None:
    """Send what waits in the project's journals; where that fails or takes too long, say so in one line."""
    try:
        deliver(root).result(FINISH_SECONDS)
    except TimeoutError:
        _warn(f"MLflow at {address(root)} is slow; what it has not yet got is sent by the next run")
    except RegistryError as error:
        _warn(str(error))
    except Exception as error:  # whatever it is, no training fails because of what is said about it
        _warn(str(_away(address(root), error)))


def send(root: Path) -> None:
    """Send what waits in the project's journals, each event once; RegistryError where MLflow is away."""
    where = address(root)
    waiting = [run for run in journal.all_runs(root) if posting.Sent(run, where).behind()]
    if waiting:
        with connected(root) as client:
            for run in waiting:
                send_run(client, root, run)


def send_run(client: "MlflowClient", root: Path, run: journal.Run) -> str:
    """Send what MLflow lacks of one run, and before it of the run it is part of; return the run's id there."""
    where, whole = address(root), run.parent()
    parent = send_run(client, root, whole) if whole else None
    folder = None if where.startswith("http") else root.resolve() / ".local" / "artifacts"
    return posting.Post(client, library().entities, run, folder, parent).send(posting.Sent(run, where))


@contextmanager
def connected(root: Path) -> "Iterator[MlflowClient]":
    """Yield a client that no other process of the project uses meanwhile.

    Raises RegistryError, in one line, where MLflow cannot be reached, is locked or refuses.
    """
    where, local = address(root), root / ".local"
    local.mkdir(exist_ok=True)
    try:
        with FileLock(local / "mlflow.lock", timeout=LOCK_SECONDS):
            _check_unlocked(where)
            with _in_one_line(where):
                yield library().MlflowClient(where, where)
    except (sqlite3.Error, OSError) as error:
        raise _away(where, error) from None


def library() -> ModuleType:
    """Import MLflow, told beforehand to keep quiet, unpickle nothing and give up soon.

    It is told each time: a worker that has it from the server it was forked from has an environment of its own.
    """
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    return _imported()


@cache
def _imported() -> ModuleType:
    import mlflow
    import mlflow.pyfunc

    logging.getLogger("alembic").setLevel(logging.ERROR)
    return mlflow


@cache
def _courier(root: Path) -> Courier:
    return Courier(partial(send, root), FINISH_SECONDS)


def _check_unlocked(where: str) -> None:
    """Raise sqlite3.OperationalError where somebody holds the database; one that is not there yet is free."""
    database = Path(where.removeprefix(SQLITE))
    if where.startswith(SQLITE) and database.exists():
        connection = sqlite3.connect(database, timeout=BUSY_SECONDS)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
        finally:
            connection.close()


@contextmanager
def _in_one_line(where: str) -> Iterator[None]:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (library().MlflowException, SQLAlchemyError) as error:
        raise _away(where, error) from None


def _away(where: str, error: Exception) -> RegistryError:
    reason = str(error).strip().splitlines() or [type(error).__name__]
    if where.startswith(SQLITE) and any(words in str(error) for words in DAMAGED):
        database = where.removeprefix(SQLITE)
        mend = "move it away, then `python -m tasks register NAME`: a new one is made, and all runs are sent to it"
        return RegistryError(f"{database}: is damaged ({reason[0][:160]}); {mend}")
    return RegistryError(
        f"MLflow at {where} does not answer as it should ({reason[0][:160]}); "
        "nothing is lost, what waits is sent by the next run"
    )


def _warn(message: str) -> None:
    sys.stderr.write(f"warning: {message}\n")
