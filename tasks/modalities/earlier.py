"""Samples that a former run prepared in the same way: taken over instead of decoded again."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tasks.errors import DamagedError
from tasks.modalities import Arrays
from tasks.modalities.shards import Prepared, shard_path
from tasks.neural.devices import cores
from tasks.progress import note
from tasks.workspace import FILES, read_json, sha256_of


class Earlier:
    """What lies in a prepared folder, provided it was made by `recipe`; nothing otherwise."""

    def __init__(self, folder: Path, recipe: str) -> None:
        self._folder = folder
        self._samples: Sequence[Arrays] = ()
        self._ids: list[str] = []
        self._shards: list[range] = []
        self._rows: dict[str, int] = {}
        prepared = _made_by(folder, recipe)
        if prepared is not None:
            self._samples, self._ids, self._shards = prepared, prepared.samples["id"].tolist(), prepared.shards()
            sound = _sound(folder, len(self._shards))
            rows = (row for number, rows in enumerate(self._shards) if sound[number] for row in rows)
            self._rows = {self._ids[row]: row for row in rows}

    def __contains__(self, identity: str) -> bool:
        return identity in self._rows

    def sample(self, identity: str) -> Arrays:
        """Return the arrays of a sample that is in it."""
        return self._samples[self._rows[identity]]

    def shard(self, number: int, ids: Sequence[str]) -> Path | None:
        """Return the file of shard `number` where it holds just these samples."""
        if not ids or number >= len(self._shards):
            return None
        rows = self._shards[number]
        same = ids[0] in self._rows and self._ids[rows.start : rows.stop] == list(ids)
        return shard_path(self._folder, number) if same else None


def _made_by(folder: Path, recipe: str) -> Prepared | None:
    """Open a prepared folder; null where there is none, or where it was made in another way or is damaged."""
    try:
        prepared = Prepared(folder)
        same = prepared.about.get("recipe") == recipe and len(prepared) == len(prepared.samples)
    except (OSError, ValueError, DamagedError):
        return None
    return prepared if same else None


def _sound(folder: Path, count: int) -> list[bool]:
    """Tell of each shard whether it is as it was written."""
    written = read_json(folder / FILES)

    def sound(number: int) -> bool:
        path = shard_path(folder, number)
        return path.name not in written or (path.exists() and sha256_of(path) == written[path.name])

    with ThreadPoolExecutor(cores()) as pool:
        found = list(pool.map(sound, range(count)))
    if not all(found):
        note(f"{folder.name}: {found.count(False)} of {count} shards were changed on the disk and are made anew")
    return found
