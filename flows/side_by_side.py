"""Several rows of a study at once, each in a process of its own, and what of the machine each of them may take."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import psutil

from flows import console
from tasks.neural import devices
from tasks.store import ROOM
from tasks.study.plan import Row

MEMORY = 4 * 2**30
"""Bytes a row should have: the largest of study/plan.yaml held 3.3 GB at most."""
WIDTH = 28
"""Characters before what a row says of its progress: room for the longest names of study/plan.yaml."""


def suggested() -> int:
    """Return how many rows this machine measures best at once.

    One on a GPU. On a CPU as many as there are cores, for trainings of one thread each do not wait for one another:
    beside other work two of them got about twice as much done as one of two threads. Fewer where the memory would not
    hold them.
    """
    if devices.device().type != "cpu":
        return 1
    return max(1, min(devices.allowed_threads(), int(psutil.virtual_memory().total) // MEMORY))


def share(jobs: int) -> dict[str, str]:
    """Return the environment of one of so many jobs: its share of the threads, and nothing kept of other rows.

    What a row costs would else depend on those measured before it.
    """
    threads = str(max(1, devices.allowed_threads() // jobs))
    return {devices.THREADS: threads, "OMP_NUM_THREADS": threads, ROOM: "0"}


def measure(rows: Sequence[Row], jobs: int, work: Callable[[Row, str], bool]) -> list[str]:
    """Let `work(row, "12/201")` measure each row, `jobs` of them at once; return the trainings of those that failed.

    They begin in their order, but never two of the same training at once: both would measure its first seeds.
    """
    waiting, running, failed = list(enumerate(rows, start=1)), dict[Future[bool], Row](), list[str]()
    with ThreadPoolExecutor(jobs) as pool:
        while waiting or running:
            busy = {row.training for row in running.values()}
            ready = next((one for one in waiting if one[1].training not in busy), None)
            if ready is not None and len(running) < jobs:
                waiting.remove(ready)
                number, row = ready
                running[pool.submit(work, row, f"{number}/{len(rows)}")] = row
                continue
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                row = running.pop(future)
                failed += [] if future.result() else [row.training]
    return failed


def call(folder: Path, arguments: Sequence[str], environment: Mapping[str, str], row: Row) -> int:
    """Run this Python in `folder`, each line it says of its progress behind the row's name; return its exit code."""
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="backslashreplace",
    ) as process:
        for line in process.stderr or ():
            console.err.print(
                f"  {_name(row):<{WIDTH}}  {line.strip().removeprefix(row.training).strip()}", markup=False
            )
    return process.returncode


def _name(row: Row) -> str:
    return row.training if row.share == 1 else f"{row.training} {100 * row.share:g} %"
