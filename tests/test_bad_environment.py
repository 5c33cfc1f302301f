"""A machine or a folder that does not play along: one line that says what to do, and nothing of what was is lost."""

import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bad
import project as projects
import pytest
from bad import GOOD, write
from project import Project, environment

from flows import running
from tasks import accidents, stages, versioning
from tasks.errors import DamagedError, RegistryError
from tasks.records import tracking
from tasks.workspace import Workspace, busy_message, file_hashes, read_json

FULL = "make room and run again: what was there before is untouched"
MEMORY = "memory ran out; close other programs, lower batch_size or preprocess.shard, and run again"
RIGHTS = "cannot be read or written; see to its owner and rights, or work in another folder"
SAYINGS: dict[str, tuple[BaseException, str | None]] = {
    "a full disk": (
        OSError(28, "No space left on device", "/x/raw.new"), f"the disk is full (writing /x/raw.new); {FULL}",
    ),
    "a quota": (OSError(122, "Disk quota exceeded"), f"the disk is full; {FULL}"),
    "sqlite's full disk": (sqlite3.OperationalError("database or disk is full"), f"the disk is full; {FULL}"),
    "torch's full disk": (RuntimeError("PytorchStreamWriter failed writing file data/3"), f"the disk is full; {FULL}"),
    "safetensors' full disk": (
        Exception("Error while serializing: I/O error: No space left on device (os error 28)"),
        f"the disk is full; {FULL}",
    ),
    "a read-only file system": (OSError(30, "Read-only file system", "/x/data"), f"/x/data: {RIGHTS}"),
    "another's folder": (PermissionError(13, "Permission denied", "/x/.local"), f"/x/.local: {RIGHTS}"),
    "too many files": (
        OSError(24, "Too many open files"),
        "too many files are open at once; raise the limit (`ulimit -n 4096`) and run again",
    ),
    "numpy's memory": (MemoryError("Unable to allocate 8.00 EiB for an array"), MEMORY),
    "torch's memory": (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 4 EiB"), MEMORY),
    "no memory for a process": (OSError(12, "Cannot allocate memory"), MEMORY),
    "a fault of the program": (ValueError("shapes do not match"), None),
    "a file that is not there": (FileNotFoundError(2, "No such file or directory", "/x"), None),
}  # fmt: skip


@pytest.mark.parametrize("case", SAYINGS)
def test_what_the_machine_lacks_is_known_whoever_says_it(case: str) -> None:
    error, told = SAYINGS[case]
    assert accidents.told(error) == told


# --- without a process


@pytest.fixture
def ingested(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    bad.ingested(root, monkeypatch, capsys)
    return root


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of half a megabyte, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", place], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip("only root may mount a disk")
    yield place
    os.chdir(tmp_path)
    subprocess.run(["umount", place], check=True)


def test_a_disk_that_fills_up_keeps_the_earlier_data(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad.ingested(small_disk, monkeypatch, capsys)
    before = bad.standing(small_disk)
    drawn = random.Random(0)  # noqa: S311 - what cannot be compressed
    write(small_disk / "texts/colours.csv", GOOD + "".join(f"{drawn.randbytes(500).hex()},a\n" for _ in range(350)))
    answer = bad.stage("ingest", "colours", capsys)
    assert (answer.code, answer.err.count("\n")) == (1, 1)
    assert answer.err.startswith("ingest colours: the disk is full") and answer.err.endswith(f"{FULL}\n")
    assert bad.standing(small_disk) == before
    write(small_disk / "texts/colours.csv", GOOD)
    assert bad.stage("ingest", "colours", capsys).code == 0


def test_a_read_only_project_is_told(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad.ingested(small_disk, monkeypatch, capsys)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    answer = bad.stage("ingest", "colours", capsys)
    assert answer.code == 1
    assert answer.err == f"ingest colours: {small_disk}/.local/locks/colours.lock: {RIGHTS}\n"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError()], ids=["disk", "memory"])
def test_what_runs_out_in_the_middle_of_a_stage_is_one_line(
    ingested: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def short(*_: object) -> None:
        raise error

    monkeypatch.setattr("tasks.workspace.synchronise", short)
    before = bad.standing(ingested)
    answer = bad.stage("ingest", "colours", capsys)
    assert (answer.code, answer.err) == (1, f"ingest colours: {accidents.told(error)}\n")
    assert bad.standing(ingested) == before


@pytest.mark.parametrize("threads", ["0", "abc", "-1", "1.5"])
def test_threads_that_are_no_number(
    ingested: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], threads: str
) -> None:
    monkeypatch.setenv("TRANSFER_THREADS", threads)
    answer = bad.stage("extract", "colours", capsys)
    assert answer == (1, "", f"TRANSFER_THREADS={threads}: expected a whole number above 0\n")


def test_a_port_that_is_taken(
    ingested: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        answer = bad.transfer("ui", "--port", str(port), monkeypatch=monkeypatch, capsys=capsys)
    mend = f"choose one: transfer ui --port {port + 1}"
    assert answer == (1, "", f"error port {port} is taken by another program; {mend}\n")


def test_a_clock_that_goes_back(
    ingested: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.time()
    clock = iter(range(10_000))
    monkeypatch.setattr(time, "time", lambda: began - 3600 * next(clock))
    assert bad.stage("ingest", "colours", capsys).code == 0
    assert 0 <= Workspace(ingested, "colours").counters("ingest")["seconds"] < 60


def test_ctrl_c_has_a_word_in_every_command(
    ingested: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "status", interrupted)
    answer = bad.transfer("status", monkeypatch=monkeypatch, capsys=capsys)
    assert answer == (130, "", "error interrupted; nothing is lost, the next run goes on from here\n")


@pytest.mark.parametrize("arguments", [["cook"], ["measure"], ["ui", "--port", "many"], ["status", "--fast"]])
def test_a_command_that_is_none_keeps_its_own_exit_code(
    ingested: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    answer = bad.transfer(*arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert answer.code == 2
    assert answer.err.startswith("Usage: ")


def test_without_git_a_run_is_remembered_without_a_commit(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(root))
    assert versioning.git_commit(root) is None
    assert versioning.git_diff(root) == ""


@pytest.mark.parametrize("content", ["", '{"read": 1', "[]", "\x00" * 20])
def test_damaged_notes_are_made_anew(ingested: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    workspace = Workspace(ingested, "colours")
    notes = workspace.local / "counters/colours/ingest.json"
    write(notes, content)
    assert workspace.counters("ingest") == {}
    holder = write(workspace.local / "locks/colours.json", content)
    assert busy_message("colours", holder).startswith("colours: another process is working on this data set")
    assert bad.stage("ingest", "colours", capsys).code == 0
    assert workspace.counters("ingest")["read"] == 60


def test_a_damaged_file_of_a_stage_is_named(root: Path) -> None:
    path = write(root / "prepared.json", '{"modality": ')
    with pytest.raises(DamagedError) as told:
        read_json(path)
    assert str(told.value) == f"{path}: is damaged (no JSON); delete it and run again"


def test_a_damaged_database_says_how_to_get_a_new_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    write(root / ".local/mlflow.db", "garbage" * 1000)
    with pytest.raises(RegistryError) as told, tracking.connected(root):
        pass
    mend = "move it away, then `python -m tasks register NAME`: a new one is made, and all runs are sent to it"
    assert str(told.value) == f"{root}/.local/mlflow.db: is damaged (file is not a database); {mend}"


def test_a_fault_of_the_program_is_not_taken_for_the_machines(ingested: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object) -> None:
        raise ValueError("shapes do not match")

    monkeypatch.setattr("tasks.workspace.synchronise", wrong)
    with pytest.raises(ValueError, match="shapes do not match"):
        stages.run(ingested, "ingest", "colours")


# --- the command itself, in a folder whose name has blanks and umlauts


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that was run once; tests work on copies of it."""
    made = projects.make(tmp_path_factory.mktemp("environment") / "mein Projekt, äöü")
    first = made.transfer("run")
    assert first.returncode == 0, first.stderr
    return made


@pytest.fixture
def copy(template: Project, tmp_path: Path) -> Project:
    target = tmp_path / template.root.name
    subprocess.run(["cp", "-a", template.root, target], check=True)
    return Project(target)


def results(project: Project) -> dict[str, str]:
    """All that is to stay as it is."""
    kept = ("data", "params.yaml", "dvc.lock")
    return {name: digest for name, digest in file_hashes(project.root).items() if name.startswith(kept)}


def told(project: Project, *arguments: str, code: int, **changes: str) -> str:
    """Run `transfer` in a changed environment, without its note of what is fresh; return its error."""
    (project.root / ".local/fresh.json").unlink(missing_ok=True)
    settings = {name: value for name, value in (environment() | changes).items() if value != "UNSET"}
    command = [sys.executable, "-m", "flows.cli", *arguments]
    ended = subprocess.run(
        command, cwd=project.root, env=settings, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout
    if code == 0:
        assert "fresh" in ended.stdout and "stale" not in ended.stdout
    return ended.stderr


HARMLESS: dict[str, dict[str, str]] = {
    "no HOME": {"HOME": "UNSET"},
    "a HOME nobody can write to": {"HOME": "/proc"},
    "a terminal that knows ASCII only": {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
    "a database that answers nothing": {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"},
}


@pytest.mark.integration
@pytest.mark.parametrize("case", HARMLESS)
def test_an_odd_environment_makes_nothing_stale(copy: Project, case: str) -> None:
    told(copy, "status", code=0, **HARMLESS[case])


@pytest.mark.integration
def test_files_from_the_future_make_nothing_stale(copy: Project) -> None:
    ahead = time.time() + 10 * 365 * 86400
    for path in copy.root.rglob("*"):
        os.utime(path, (ahead, ahead))
    told(copy, "status", code=0)


@pytest.mark.integration
def test_a_folder_that_is_no_git_repository(copy: Project) -> None:
    shutil.rmtree(copy.root / ".git")
    said = told(copy, "status", code=1)
    assert said == f"error dvc status: {copy.root} is not a git repository; make it one, once: git init\n"


LOCK = """
import sys, zc.lockfile
held = zc.lockfile.LockFile(".dvc/tmp/lock")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.integration
def test_another_dvc_at_work(copy: Project) -> None:
    command = [sys.executable, "-c", LOCK]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=copy.root, **pipes) as holder:  # type: ignore[call-overload]
        assert holder.stdout.readline() == b"held\n"
        said = told(copy, "status", code=1)
        holder.stdin.close()
    assert said.startswith("error dvc status: Unable to acquire lock.") and said.endswith("wait for it and run again\n")
    told(copy, "status", code=0)


@pytest.mark.integration
def test_a_prefect_server_that_does_not_answer(copy: Project) -> None:
    copy.change("strengths: [0.1, 1.0]", "strengths: [0.5]")
    before = results(copy)
    said = told(copy, "run", code=1, PREFECT_API_URL="http://127.0.0.1:9/api").splitlines()
    line = "no Prefect server answers at PREFECT_API_URL=http://127.0.0.1:9/api; start it, or unset it"
    assert said == [f"error colours: {line}", "error colours: not finished; the reason stands above"]
    assert results(copy) == before


@pytest.mark.integration
def test_a_second_run_is_told_of_the_first(copy: Project) -> None:
    copy.change("strengths: [0.1, 1.0]", "strengths: [0.5]")
    before = results(copy)
    with Workspace(copy.root, "colours").locked("a test"):
        said = told(copy, "run", code=1)
    assert f"error colours: process {os.getpid()} has been working on this data set since" in said
    assert "(a test); wait for it, or stop it, and run again" in said
    assert results(copy) == before


BAD_INPUTS = {
    "a table cut by semicolons": (
        ("texts/colours.csv", "text;label\nred;warm\n"),
        "error colours: colours.csv: no column text, label; there are: text;label; is it separated by ';'? Save it "
        "with commas; what was ingested before stays usable in data/colours/raw",
    ),
    "an empty table": (
        ("texts/colours.csv", ""),
        "error colours: colours.csv: is empty; expected a header and rows; what was ingested before stays usable in "
        "data/colours/raw",
    ),
    "a damaged dvc.lock": (
        ("dvc.lock", "stages: {"),
        "error dvc status: './dvc.lock' is invalid. While parsing a flow node, in line 2, column 1 Did not find "
        "expected node content, in line 2, column 1 2; bring it back with git, or delete it: all stages run anew",
    ),
}  # fmt: skip


@pytest.mark.integration
@pytest.mark.parametrize("case", BAD_INPUTS)
def test_a_bad_input_ends_the_run_in_one_line(copy: Project, case: str) -> None:
    (path, content), line = BAD_INPUTS[case]
    write(copy.root / path, content)
    before = results(copy)
    said = told(copy, "run", code=1).splitlines()
    assert line in said
    assert set(said) <= {line, "error colours: not finished; the reason stands above"}
    assert results(copy) == before


@pytest.mark.integration
def test_ctrl_c_while_a_question_is_waited_for(copy: Project) -> None:
    command = [sys.executable, "-m", "flows.cli", "predict", "colours", "-"]
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=copy.root, env=environment(), text=True, **pipes) as waiting:  # type: ignore[call-overload]
        time.sleep(15)
        waiting.send_signal(signal.SIGINT)
        said = waiting.communicate()[1]
    assert waiting.returncode == 130
    assert said.splitlines()[-1] == "error interrupted; nothing is lost, the next run goes on from here"
    assert "Traceback" not in said


@pytest.mark.integration
def test_a_lost_registry_is_told_and_made_again(copy: Project) -> None:
    (copy.root / ".local/mlflow.db").unlink()
    said = told(copy, "show", "colours", code=1)
    assert said.endswith(
        "does not know the registered model of colours; register it again: python -m tasks register colours\n"
    )
    assert copy.python("-m", "tasks", "register", "colours").returncode == 0
    assert "version 1 champion" in copy.transfer("show", "colours").stdout
