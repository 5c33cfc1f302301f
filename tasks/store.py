"""Results kept per sample, known by all they depend on: found again whichever data set, training or branch asks."""

import hashlib
import json
import os
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from safetensors.numpy import load, save

from tasks.errors import ConfigError
from tasks.modalities import Arrays
from tasks.progress import note

FILE, ROOM = "store.sqlite", "TRANSFER_STORE_GIBIBYTES"
GIBIBYTES = 8
"""The room it may take where the environment does not say."""
FREED = 0.1
"""The share of its room that is freed at once when it is full: what was not used for longest goes first."""
SETTINGS = "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
TABLE = """
CREATE TABLE IF NOT EXISTS results (key BLOB NOT NULL, used INTEGER NOT NULL, checksum INTEGER NOT NULL,
                                    value BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS by_key ON results (key);
CREATE INDEX IF NOT EXISTS by_use ON results (used);
"""
WAIT_SECONDS = 60
"""For another process to have written."""
HOUR = 3600

Key = bytes
"""A sha256."""


def keys(identity: Any, samples: Iterable[str]) -> list[Key]:
    """Return of each sample, named by its sha256 in hexadecimal, the key of the result that `identity` describes.

    `identity`: all else that the result depends on, as JSON can write it.
    """
    common = hashlib.sha256(json.dumps(identity, sort_keys=True).encode())
    found = []
    for sample in samples:
        whole = common.copy()
        whole.update(bytes.fromhex(sample))
        found.append(whole.digest())
    return found


class Store:
    """A file of results. Several processes may use it at once; one that is killed leaves it whole.

    It is disposable: what is damaged in it is told and made anew, what no longer fits `room` bytes goes.
    """

    def __init__(self, path: Path, room: int) -> None:
        self.path, self.room = path, room

    @classmethod
    def of(cls, root: Path) -> "Store":
        """Return the store of the project at `root`."""
        chosen = os.environ.get(ROOM) or str(GIBIBYTES)
        try:
            room = float(chosen)
        except ValueError:
            room = -1.0
        if room < 0:
            raise ConfigError(f"{ROOM}={chosen}: expected a number of gibibytes, 0 to keep nothing")
        return cls(root / ".local" / FILE, int(room * 2**30))

    def take(self, wanted: Sequence[Key]) -> dict[Key, Arrays]:
        """Return those results that are there and whole."""
        found: dict[Key, Arrays] = {}
        if not self.path.exists():
            return found
        now, damaged = int(time.time()) // HOUR, []
        with self._opened() as database:
            for key in wanted:
                for checksum, value in database.execute("SELECT checksum, value FROM results WHERE key = ?", (key,)):
                    if zlib.crc32(value) == checksum:
                        found[key] = load(value)
                    else:
                        damaged.append((key,))
            used = [(now, key, now) for key in found]
            database.executemany("UPDATE results SET used = ? WHERE key = ? AND used < ?", used)
            database.executemany("DELETE FROM results WHERE key = ?", damaged)
        if damaged:
            note(f"{self.path.name}: {len(damaged):,} results were damaged on the disk and are computed again")
        return found

    def keep(self, results: dict[Key, Arrays]) -> None:
        """Add results, and forget the least recently used where they need the room."""
        if not self.room:
            return
        now = int(time.time()) // HOUR
        rows = ((key, now, zlib.crc32(value), value) for key, value in _written(results))
        with self._opened() as database:
            database.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?)", rows)
        self.shrink(self.room)

    def shrink(self, room: int) -> None:
        """Forget the least recently used results until the rest takes up at most `room` bytes, and some to spare."""
        if not self.path.exists() or self.bytes() <= room:
            return
        with self._opened() as database:
            while self._taken(database) > room * (1 - FREED):
                (count,) = database.execute("SELECT COUNT(*) FROM results").fetchone()
                if not count:
                    break
                database.execute(
                    "DELETE FROM results WHERE rowid IN (SELECT rowid FROM results ORDER BY used, rowid LIMIT ?)",
                    (max(1, int(count * FREED)),),
                )
        with self._opened() as database:
            database.executescript("PRAGMA incremental_vacuum")

    def bytes(self) -> int:
        """Return how many bytes its results take up."""
        taken = 0
        if self.path.exists():
            with self._opened() as database:
                taken = self._taken(database)
        return taken

    @staticmethod
    def _taken(database: sqlite3.Connection) -> int:
        size, count, free = (
            database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
        )
        return int(size * (count - free))

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Yield the database within one transaction; whatever is wrong with it ends what is done in it, not the run."""
        with closing(self._connected()) as database:
            try:
                with database:
                    yield database
            except sqlite3.DatabaseError as error:
                self._failed(error)

    def _connected(self) -> sqlite3.Connection:
        """Open the file, or an empty database in memory where that cannot be done."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for path in (self.path, self.path):
            try:
                return _with_table(path)
            except sqlite3.DatabaseError as error:
                self._failed(error)
        return _with_table(":memory:")

    def _failed(self, error: sqlite3.DatabaseError) -> None:
        """Say what is wrong, and begin anew what is damaged rather than locked, full or closed to writing."""
        damaged = not isinstance(error, sqlite3.OperationalError)
        note(f"{self.path.name}: {error}; {'its results are computed again' if damaged else 'going on without it'}")
        if damaged:
            for end in ("", "-wal", "-shm"):
                self.path.with_name(self.path.name + end).unlink(missing_ok=True)


def _with_table(path: Path | str) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=WAIT_SECONDS)
    try:
        database.executescript(SETTINGS + TABLE)
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database


def _written(results: dict[Key, Arrays]) -> Iterator[tuple[Key, bytes]]:
    """Yield each result as the bytes of a safetensors file: a header in JSON, then the raw arrays."""
    for key, arrays in results.items():
        yield key, save({name: array.copy(order="C") for name, array in arrays.items()})
