"""The worker process: it answers, tells errors apart, stops at its time limit, and ends with its parent."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.worker import StageCrashError, StageTimeoutError, Worker
from tasks.errors import ConfigError

REPOSITORY = Path(__file__).resolve().parent.parent

STAND_IN = """
import os, time
from tasks.errors import SourceError

def run(root, stage, name):
    if name == "slow":
        time.sleep(60)
    if name == "bad":
        raise SourceError("birds: no such folder")
    if name == "bug":
        raise ZeroDivisionError
    if name == "death":
        os._exit(7)
    return {"stage": stage, "pid": os.getpid()}
"""
"""Takes the place of tasks.stages in the worker: the worker is what is tested here."""

ORPHAN = """
import sys, time
from pathlib import Path
from flows.worker import Worker
if __name__ == "__main__":
    worker = Worker(Path(sys.argv[1]))
    print(worker.run("ingest", "fine", 60)["pid"], flush=True)
    worker.run("ingest", "slow", 60)
"""


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `tasks` whose stages are stand-ins, in the folder that every new process begins in."""
    (tmp_path / "tasks").mkdir()
    for name in ("__init__.py", "errors.py"):
        (tmp_path / "tasks" / name).write_text((REPOSITORY / "tasks" / name).read_text())
    (tmp_path / "tasks" / "stages.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(REPOSITORY)]))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def worker(code: Path) -> Iterator[Worker]:
    with Worker(code) as running:
        yield running


def test_one_process_answers_for_all_stages(worker: Worker) -> None:
    first, second = worker.run("ingest", "fine", 60), worker.run("extract", "fine", 60)
    assert first["pid"] == second["pid"] != os.getpid()


def test_a_users_mistake_comes_back_as_itself(worker: Worker) -> None:
    from tasks.errors import SourceError

    with pytest.raises(SourceError, match="birds: no such folder"):
        worker.run("ingest", "bad", 60)
    assert worker.run("ingest", "fine", 60)["stage"] == "ingest"


def test_a_bug_brings_its_traceback(worker: Worker) -> None:
    with pytest.raises(StageCrashError, match="ZeroDivisionError"):
        worker.run("ingest", "bug", 60)


def test_a_death_is_told(worker: Worker) -> None:
    with pytest.raises(StageCrashError, match="ended with code 7"):
        worker.run("ingest", "death", 60)


def test_the_time_limit_stops_the_process(worker: Worker) -> None:
    pid = worker.run("ingest", "fine", 60)["pid"]
    with pytest.raises(StageTimeoutError, match="stopped after its time limit of 1 s"):
        worker.run("ingest", "slow", 1)
    assert not alive(pid)


def test_it_ends_with_its_parent(code: Path) -> None:
    (code / "orphan.py").write_text(ORPHAN)
    command = [sys.executable, str(code / "orphan.py"), str(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    for _ in range(100):
        if not alive(pid):
            return
        time.sleep(0.1)
    raise AssertionError("the worker outlived its parent")


def alive(pid: int) -> bool:
    """Tell whether a process runs (a dead one that nobody has waited for does not)."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False


def test_errors_survive_the_way_between_processes() -> None:
    import pickle

    assert str(pickle.loads(pickle.dumps(ConfigError("one line")))) == "one line"  # noqa: S301 - our own bytes
