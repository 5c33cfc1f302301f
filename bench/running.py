"""Runs a command in a fresh process and says what it took: seconds, and memory of it and all it started."""

import os
import re
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from tasks.errors import TransferError

EVERY_SECONDS = 1.0
"""A look at all processes takes some 20 milliseconds, which the measured ones lack."""
MEBI = 2**20


class FailedError(TransferError):
    """A contestant's process failed or took too long; the message says which and where its words are kept."""


@dataclass(frozen=True)
class Spent:
    """Wall seconds from start to end.

    `process_mebibytes`: the most that the largest process among them was seen to have held.
    `tree_mebibytes`: the most that all processes together were seen to hold, shared pages counted once.
    """

    seconds: float
    process_mebibytes: float
    tree_mebibytes: float

    def told(self) -> dict[str, float]:
        """Return it as JSON takes it."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


def run(command: list[str], folder: Path, environment: dict[str, str], log: Path, limit: float) -> Spent:
    """Run `command` in `folder`; FailedError where it fails or runs longer than `limit` seconds."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as said:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
        )
        watch = _Watch(process.pid, limit)
        try:
            _, status = os.waitpid(process.pid, 0)
        except BaseException:
            _stop(process.pid)
            raise
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    watch.end()
    if process.returncode:
        why = f"was stopped after {limit:g} s" if watch.stopped else f"ended with code {process.returncode}"
        raise FailedError(f"{' '.join(command[:6])} {why}; what it said is in {log}")
    own = watch.largest / MEBI
    return Spent(seconds, own, max(own, watch.most / MEBI))


class _Watch:
    """Looks at a process and its descendants now and then, in a thread; stops them after `limit` seconds."""

    def __init__(self, pid: int, limit: float) -> None:
        self.most, self.largest, self.stopped = 0, 0, False
        self._pid, self._limit, self._over = pid, limit, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Look no longer."""
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        deadline = time.monotonic() + self._limit
        while not self._over.wait(EVERY_SECONDS):
            self.most = max(self.most, _held(self._pid))
            self.largest = max(self.largest, *map(_high_water, _tree(self._pid)), 0)
            if time.monotonic() > deadline and not self.stopped:
                self.stopped = True
                _stop(self._pid)


def _tree(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants; nothing where it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def _held(pid: int) -> int:
    """Return the bytes that a process and its descendants hold together."""
    total = 0
    for process in _tree(pid):
        with suppress(psutil.Error):
            held = process.memory_full_info()
            total += getattr(held, "pss", held.uss)
    return total


def _high_water(process: psutil.Process) -> int:
    """Return the bytes a process has held at most; getrusage would count what this one held when it began it, too."""
    try:
        return 1024 * int(re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())[0])
    except (OSError, IndexError):  # it has ended, or this is no Linux
        return _resident(process)


def _resident(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def _stop(pid: int) -> None:
    """End a process and all it started, also what it put into a session of its own."""
    for process in _tree(pid):
        with suppress(psutil.Error):
            process.kill()
