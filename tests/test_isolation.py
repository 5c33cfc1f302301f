"""A decoder that crashes or hangs costs one sample: it is named, the others are used, no process is left behind."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import spoilt
from conftest import changed
from samples import image_backbone

from tasks import modalities
from tasks.errors import BadSample, SampleShareError
from tasks.ingest import ingest
from tasks.isolation import Decoders
from tasks.modalities.shards import Prepared
from tasks.neural import backbones
from tasks.preprocess import preprocess
from tasks.schema import Config, FolderSource, StratifiedSplit
from tasks.workspace import Workspace, file_hashes

REPOSITORY = Path(__file__).resolve().parent.parent
OTHERWISE = "save it again with another program, or take it out"
FATAL = {
    "segfault": ("signal 11", "the decoder crashed on it (signal 11)", OTHERWISE),
    "abort": ("signal 6", "the decoder crashed on it (signal 6)", OTHERWISE),
    "exit": ("exit 3", "the decoder crashed on it (exit code 3)", OTHERWISE),
    "hang": ("hang", "its decoder came to no end", OTHERWISE),
    "memory": (
        "signal 9",
        "its decoder was killed: most often the machine ran out of memory",
        "free memory and run again, or make it smaller",
    ),
}


@pytest.fixture(autouse=True)
def crashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pictures be decoded by `crashing`, here and in the processes."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY / "tests"), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setitem(modalities.DECODERS, "image", "crashing")


@pytest.fixture
def decoders(tmp_path: Path) -> Any:
    with Decoders("crashing", {"size": 4}, tmp_path, 1) as begun:
        yield begun


@pytest.mark.parametrize("word", FATAL)
def test_it_is_refused_and_the_next_is_read(decoders: Decoders, word: str) -> None:
    content, reason, mend = FATAL[word]
    with pytest.raises(BadSample) as refused:
        decoders.unpack(content.encode())
    assert (str(refused.value), refused.value.mend) == (reason, mend)
    assert decoders.unpack(b"four").array.tolist() == np.full((4, 4, 3), 4).tolist()


def test_what_died_of_another_ones_doing_is_used(decoders: Decoders, tmp_path: Path) -> None:
    assert decoders.unpack(f"once {tmp_path / 'died'}".encode()).array.shape == (4, 4, 3)
    assert (tmp_path / "died").exists()


def test_a_verdict_and_a_bug_come_back_as_what_they_are(decoders: Decoders) -> None:
    with pytest.raises(BadSample, match="is bad") as refused:
        decoders.unpack(b"bad")
    assert refused.value.mend == "make it good"
    with pytest.raises(RuntimeError, match="by seven"):
        decoders.unpack(b"bug by seven")


def test_a_module_that_cannot_be_imported_is_no_fault_of_a_sample(tmp_path: Path) -> None:
    with (
        Decoders("no_such_module", {}, tmp_path, 1) as begun,
        pytest.raises(RuntimeError, match="could not begin: ModuleNotFoundError"),
    ):
        begun.unpack(b"fine")


def test_many_threads_get_each_their_own_answer(tmp_path: Path) -> None:
    contents = [b"x" * (number % 50 + 1) if number % 40 else b"signal 11" for number in range(200)]

    def ask(content: bytes) -> int:
        try:
            return int(decoders.unpack(content).array[0, 0, 0])
        except BadSample:
            return -1

    with Decoders("crashing", {}, tmp_path, 2) as decoders, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, contents))
    assert found == [len(content) if content.startswith(b"x") else -1 for content in contents]


@pytest.mark.parametrize("module", ["tasks.modalities.image", "tasks.modalities.sound_files"])
def test_what_decodes_imports_nothing_that_takes_seconds(module: str) -> None:
    code = f"import sys, tasks.isolated, {module}; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert not {"torch", "pydantic", "pandas", "transformers", "scipy"} & set(ran.stdout.split())


def test_no_process_is_left_behind(tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    with Decoders("crashing", {}, tmp_path, 2) as decoders:
        decoders.unpack(b"fine")
        assert len(set(psutil.Process().children()) - before) == 2
    assert set(psutil.Process().children()) == before


def test_they_end_with_the_process_that_began_them(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from tasks.isolation import Decoders
decoders = Decoders("crashing", {{}}, Path({str(tmp_path)!r}), 2)
decoders.unpack(b"fine")
print(*[process._process.pid for process in decoders._all], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    children = [int(word) for word in killed.stdout.split()]
    assert len(children) == 2
    deadline = time.monotonic() + 20
    while any(_alive(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_alive(child) for child in children)


def _alive(number: int) -> bool:
    return psutil.pid_exists(number) and psutil.Process(number).status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def project(tmp_path: Path, config: Config, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder of pictures that are none: the stages over it, and what they refuse."""
    backbone = image_backbone(tmp_path / "backbone")
    monkeypatch.setattr(backbones, "fetch", lambda weights, root: backbone)
    for number in range(30):
        spoilt.write(tmp_path / "own" / "ab"[number % 2] / f"{number:02}", b"x" * (number + 1))
    source = FolderSource(kind="folder", path=Path("own"), table=None, columns=None)
    split = StratifiedSplit(kind="stratified", seed=1, validation=0.2, test=0.2)
    changes = {"name": "own", "ingest.source": source, "ingest.split": split, "preprocess.size": 4}
    return tmp_path, changed(config.datasets["solar-cells"], changes | {"preprocess.refused_share": 0.3})


def test_the_run_goes_on_without_the_fatal_ones(project: Any) -> None:
    root, params = project
    for word, (content, _, _) in FATAL.items():
        spoilt.write(root / "own" / "a" / word, content.encode())
    workspace = Workspace(root, "own")
    ingest(params, workspace)
    preprocess(params, workspace)
    refused = pd.read_csv(workspace.home / "refused.csv").set_index("name")
    assert dict(zip(refused.index, zip(refused["reason"], refused["mend"], strict=True), strict=True)) == {
        f"a/{word}": (reason, mend) for word, (_, reason, mend) in FATAL.items()
    }
    prepared = Prepared(workspace.prepared)
    sizes = [sample["pixels"].max() - 1 for sample in prepared]
    assert [f"{size:02}" for size in sizes] == [name[2:] for name in prepared.samples["name"]]
    assert len(prepared) == 30
    first = file_hashes(workspace.prepared)
    preprocess(params, workspace)
    assert file_hashes(workspace.prepared) == first


def test_too_many_of_them_stop_the_stage_and_leave_what_was_prepared(project: Any) -> None:
    root, params = project
    workspace = Workspace(root, "own")
    ingest(params, workspace)
    preprocess(params, workspace)
    before = file_hashes(workspace.prepared)
    for number in range(14):
        spoilt.write(root / "own" / "a" / f"bad-{number:02}", f"signal 11{' ' * number}".encode())
    ingest(params, workspace)
    with pytest.raises(SampleShareError, match=r"14 of 44 samples .*\(the decoder crashed on it \(signal 11\)\)"):
        preprocess(params, workspace)
    assert file_hashes(workspace.prepared) == before
    assert (workspace.home / "refused.csv").read_text().count("(signal 11)") == 14
