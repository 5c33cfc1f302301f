"""A data set's folders are replaced whole or not at all, and belong to one process at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from tasks.errors import BusyError
from tasks.workspace import FILES, Workspace, read_json, sha256_of

HOLD = """
import sys, time
from pathlib import Path
from tasks.workspace import Workspace
with Workspace(Path(sys.argv[1]), "birds").locked("a test"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def workspace(root: Path) -> Workspace:
    return Workspace(root, "birds")


def fill(workspace: Workspace, text: str) -> None:
    with workspace.replacing(workspace.raw) as fresh:
        (fresh / "inner").mkdir()
        (fresh / "inner" / "one.txt").write_text(text)


def test_a_replaced_folder_lists_the_sha256_of_its_files(workspace: Workspace) -> None:
    fill(workspace, "first")
    assert read_json(workspace.raw / FILES) == {"inner/one.txt": sha256_of(workspace.raw / "inner" / "one.txt")}


def test_a_failure_leaves_the_old_folder(workspace: Workspace) -> None:
    fill(workspace, "first")
    with pytest.raises(RuntimeError), workspace.replacing(workspace.raw) as fresh:
        (fresh / "half.txt").write_text("half")
        raise RuntimeError
    assert (workspace.raw / "inner" / "one.txt").read_text() == "first"
    assert not list((workspace.home / ".tmp").iterdir())


def test_what_a_kill_between_the_two_renames_left_is_put_back(workspace: Workspace) -> None:
    fill(workspace, "first")
    (workspace.home / ".tmp").mkdir(exist_ok=True)
    workspace.raw.rename(workspace.home / ".tmp" / "raw.old")
    with pytest.raises(RuntimeError), workspace.replacing(workspace.raw):
        raise RuntimeError
    assert (workspace.raw / "inner" / "one.txt").read_text() == "first"


def test_models_of_one_data_set_do_not_meet(workspace: Workspace) -> None:
    fill(workspace, "raw files")
    with workspace.replacing(workspace.model("raw")) as fresh:
        (fresh / "weights").write_text("a model called raw")
        assert (workspace.raw / "inner" / "one.txt").exists()
    assert (workspace.raw / "inner" / "one.txt").read_text() == "raw files"


def test_counters_come_back(workspace: Workspace) -> None:
    assert workspace.counters("ingest") == {}
    workspace.record("ingest", {"read": 3})
    assert workspace.counters("ingest") == {"read": 3}


def test_a_second_process_is_told_who_holds_the_data_set(workspace: Workspace) -> None:
    command = [sys.executable, "-c", HOLD, str(workspace.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with (
                pytest.raises(BusyError, match=rf"process {holder.pid} has been working .* \(a test\)"),
                workspace.locked("me"),
            ):
                pass
        finally:
            holder.kill()
    with workspace.locked("me"):
        pass


def test_a_child_of_the_holder_shares_its_hold(workspace: Workspace) -> None:
    short = HOLD.replace("time.sleep(60)", "pass")
    with workspace.locked("a parent"):
        subprocess.run([sys.executable, "-c", short, str(workspace.root)], check=True, capture_output=True)
    with workspace.locked("again"):
        pass
