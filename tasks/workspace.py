"""Where one data set's things live, and how they are replaced without a moment in which they are half there."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tasks.errors import BusyError, DamagedError

FILES = "files.json"
HOLDER = "TRANSFER_HOLDER"
OPENINGS = "test-openings"
"""The counter of how often the test split of a data set was looked at."""


@dataclass(frozen=True)
class Workspace:
    """The folders of data set `name` in the project at `root`. Stages meet here, on disk, and nowhere else."""

    root: Path
    name: str

    @property
    def home(self) -> Path:
        """All that belongs to the data set, together."""
        return self.root / "data" / self.name

    @property
    def raw(self) -> Path:
        """Written by ingest: the raw files and manifest.parquet."""
        return self.home / "raw"

    @property
    def prepared(self) -> Path:
        """Written by preprocess: shards, samples.parquet and prepared.json."""
        return self.home / "prepared"

    @property
    def features(self) -> Path:
        """Written by extract: one vector per prepared sample."""
        return self.home / "features"

    def model(self, training: str) -> Path:
        """Written by finetune: the model directory of one training."""
        return self.home / "models" / training

    @property
    def evaluation(self) -> Path:
        """Written by evaluate: metrics, predictions and plots."""
        return self.home / "evaluation"

    @property
    def report(self) -> Path:
        """Written by report: the page about it all, which no stage reads."""
        return self.home / "report"

    @property
    def registration(self) -> Path:
        """Written by register: what was decided, without the run or version it was decided in."""
        return self.home / "registration"

    @property
    def local(self) -> Path:
        """What belongs to this machine only: database, downloads, checkpoints, counters."""
        return self.root / ".local"

    @contextmanager
    def replacing(self, folder: Path) -> Iterator[Path]:
        """Yield an empty folder to write into; it takes the place of `folder` once it is complete and on disk.

        Whatever happens before that leaves the old `folder` as it was. The new one carries `files.json`
        with the sha256 of each of its files, written last.
        """
        fresh, aside = self._beside(folder)
        recover(folder, aside)
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        try:
            yield fresh
            write_json(fresh / FILES, file_hashes(fresh))
            synchronise(fresh)
            swap(fresh, folder, aside)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _beside(self, folder: Path) -> tuple[Path, Path]:
        """Where the successor of `folder` is written and where `folder` itself waits during the exchange."""
        name = "-".join(folder.relative_to(self.home).parts)
        return self.home / ".tmp" / f"{name}.new", self.home / ".tmp" / f"{name}.old"

    def record(self, stage: str, counters: dict[str, Any]) -> None:
        """Keep what a stage counted (read, decoded, reused, refused, seconds ...), beside its outputs, not in them."""
        target = self.local / "counters" / self.name / f"{stage}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        write_json(target, counters)

    def counters(self, stage: str) -> dict[str, Any]:
        """What `stage` counted when it last ran; empty if it never did."""
        target = self.local / "counters" / self.name / f"{stage}.json"
        return remembered(target)

    def count_test_opening(self) -> int:
        """Count a look at the test split before it happens, and return which one it is, from 1."""
        with FileLock(self._lock(f".{OPENINGS}")):  # several trainings may be measured at once
            openings = int(self.counters(OPENINGS).get("openings", 0)) + 1
            self.record(OPENINGS, {"openings": openings})
        return openings

    @contextmanager
    def locked(self, purpose: str, wait_seconds: float = 0.0) -> Iterator[str]:
        """Hold the data set alone. A process started by the holder shares its hold: by what is yielded, in HOLDER.

        Raises BusyError, which names the holder, when another process has it after `wait_seconds`.
        """
        target = self._lock("")
        holder = target.with_suffix(".json")
        if holder.exists() and os.environ.get(HOLDER) == holder.read_text():
            yield os.environ[HOLDER]
            return
        try:
            with FileLock(target, timeout=wait_seconds):
                write_json(
                    holder,
                    {"dataset": self.name, "pid": os.getpid(), "purpose": purpose, "since": time.time()},
                )
                os.environ[HOLDER] = holder.read_text()
                try:
                    yield os.environ[HOLDER]
                finally:
                    os.environ.pop(HOLDER, None)
                    holder.unlink(missing_ok=True)
        except Timeout:
            raise BusyError(busy_message(self.name, holder)) from None

    def _lock(self, of: str) -> Path:
        """Return the file that is locked for the data set or for a part of what is known of it."""
        target = self.local / "locks" / f"{self.name}{of}.lock"
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def busy_message(name: str, holder: Path) -> str:
    """Say who holds data set `name`, since when and for what."""
    facts = remembered(holder)
    if not {"since", "pid", "purpose"} <= facts.keys():
        return f"{name}: another process is working on this data set; wait for it and run again"
    since = time.strftime("%H:%M:%S", time.localtime(facts["since"]))
    return (
        f"{name}: process {facts['pid']} has been working on this data set since {since} ({facts['purpose']}); "
        "wait for it, or stop it, and run again"
    )


def recover(folder: Path, aside: Path) -> None:
    """Put back what a process killed between the two renames of `swap` left aside."""
    if aside.exists() and not folder.exists():
        aside.rename(folder)
    shutil.rmtree(aside, ignore_errors=True)


def swap(fresh: Path, folder: Path, aside: Path) -> None:
    """Let `fresh` take the place of `folder`; all three lie on one file system."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists():
        folder.rename(aside)
    fresh.rename(folder)
    shutil.rmtree(aside, ignore_errors=True)


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest(content: Any) -> str:
    """Return the sha256, in hexadecimal, of what JSON can write; the order of keys does not count."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def link(file: Path, target: Path) -> None:
    """Let `target` be the same file as `file`, or a copy of it where the file system cannot do that."""
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file below `folder`, by its relative path, sorted."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != FILES)
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


def synchronise(folder: Path) -> None:
    """Force every file and folder below `folder` to disk, so that a rename never precedes its content."""
    # Many at once: the file system then writes its journal once for all of them, not once for each.
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(_synchronise_one, [*folder.rglob("*"), folder]))


def _synchronise_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people and diffs: indented, keys in their given order, replaced in one step."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    beside.replace(path)


def read_json(path: Path) -> Any:
    """Read a JSON file that a stage wrote; DamagedError if it was cut off or edited."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise DamagedError(f"{path}: is damaged (no JSON); delete it and run again") from None


def remembered(path: Path) -> dict[str, Any]:
    """Return what a file of .local says; nothing where there is none, or where it is damaged: it is made anew then."""
    try:
        content = read_json(path)
    except (FileNotFoundError, DamagedError):
        return {}
    return content if isinstance(content, dict) else {}
