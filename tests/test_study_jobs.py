"""`transfer results --jobs N`: which rows go side by side, what each may take, and what is left when it is stopped."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import studies

from flows import side_by_side, stopping
from flows import study as flow
from tasks.errors import BusyError
from tasks.experiments import measurements
from tasks.neural import devices
from tasks.study.gathering import gather
from tasks.study.plan import Curves, Plan, Row, Seeds, read_plan
from tasks.workspace import HOLDER, Workspace

ROWS = [Row(name, share, 1) for share in (1.0, 0.5) for name in ("a", "b", "c")]
SMALL: dict[str, Any] = {
    "strategies": {"solar-cells": ["head", "partial"]},
    "shifts": [],
    "recipes": ["solar-random-head"],
    "backbones": {},
    "aims": {},
    "seeds": Seeds(rows=2, curves=2, candidates=1),
    "curves": Curves(shares=[], trainings={}),
}


class Bench:
    """Notes which rows were begun and which were under way meanwhile; those in `failing` fail."""

    def __init__(self, failing: Sequence[str] = ()) -> None:
        self.begun: list[tuple[Row, str]] = []
        self.beside: list[list[str]] = []
        self._failing, self._busy, self._lock = failing, list[str](), threading.Lock()

    def work(self, row: Row, number: str) -> bool:
        """Take the time that the next one needs to begin."""
        with self._lock:
            self.begun.append((row, number))
            self.beside.append(list(self._busy))
            self._busy.append(row.training)
        threading.Event().wait(0.02)
        with self._lock:
            self._busy.remove(row.training)
        return row.training not in self._failing


@pytest.mark.parametrize("jobs", [1, 2, 3, 5])
def test_so_many_rows_go_side_by_side_but_never_two_of_a_training(jobs: int) -> None:
    bench = Bench()
    assert side_by_side.measure(ROWS, jobs, bench.work) == []
    assert max(map(len, bench.beside)) == min(jobs, 3) - 1
    assert not any(row.training in busy for (row, _), busy in zip(bench.begun, bench.beside, strict=True))
    assert sorted(bench.begun, key=lambda one: one[1]) == [
        (row, f"{number}/6") for number, row in enumerate(ROWS, start=1)
    ]
    assert [row.share for row, _ in bench.begun] == [1.0] * 3 + [0.5] * 3


def test_a_row_that_waits_for_its_training_lets_others_go_first() -> None:
    rows = [Row("a", 1.0, 1), Row("a", 0.5, 1), Row("b", 1.0, 1)]
    bench = Bench()
    side_by_side.measure(rows, 2, bench.work)
    assert [number for _, number in bench.begun] == ["1/3", "3/3", "2/3"]


def test_failures_are_collected_and_the_rest_goes_on() -> None:
    bench = Bench(failing=["b"])
    assert side_by_side.measure(ROWS, 2, bench.work) == ["b", "b"]
    assert len(bench.begun) == 6


@pytest.mark.parametrize(
    ("device", "gibibytes", "jobs"), [("cpu", 64, 6), ("cpu", 9, 2), ("cpu", 1, 1), ("cuda", 64, 1), ("mps", 64, 1)]
)
def test_as_many_rows_as_the_machine_is_good_for(
    device: str, gibibytes: int, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "device", lambda: SimpleNamespace(type=device))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=gibibytes * 2**30))
    monkeypatch.setenv(devices.THREADS, "6")
    assert side_by_side.suggested() == jobs


@pytest.mark.parametrize(("jobs", "threads"), [(1, "6"), (2, "3"), (4, "1"), (9, "1")])
def test_the_threads_are_shared_out(jobs: int, threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(devices.THREADS, "6")
    shared = {"TRANSFER_THREADS": threads, "OMP_NUM_THREADS": threads}
    assert side_by_side.share(jobs) == shared | {"TRANSFER_STORE_GIBIBYTES": "0"}


def test_what_a_row_says_stands_behind_its_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = "print('a table'); print('solar-cells-head  [loss]', os.environ['X'], file=sys.stderr)"
    code = f"import os, sys; {said}; sys.exit(3)"
    row = Row("solar-cells-head", 0.25, 1)
    assert side_by_side.call(tmp_path, ["-c", code], os.environ | {"X": "0.5"}, row) == 3
    seen = capfd.readouterr()
    assert seen.out == "" and seen.err == f"  {'solar-cells-head 25 %':<28}  [loss] 0.5\n"


def plan_of(study: Path, **changes: Any) -> Plan:
    return read_plan(study).model_copy(update=changes)


def test_first_seeds_come_first_and_recipes_before_all_else(tmp_path: Path) -> None:
    plan = plan_of(studies.write(tmp_path, []))
    rounds = plan.rounds()
    assert [row.seeds for row in rounds] == sorted(row.seeds for row in rounds)
    for seed in (1, 2, 3):
        assert [row.training for row in rounds if row.seeds == seed][: len(plan.recipes)] == plan.recipes
    assert {row._replace(seeds=1) for row in rounds} == {row._replace(seeds=1) for row in plan.rows()}
    assert len(rounds) == len(set(rounds)) == sum(row.seeds for row in plan.rows())


def test_what_only_fine_tunes_a_candidate_has_seeds_of_its_own(tmp_path: Path) -> None:
    rows = read_plan(studies.write(tmp_path, [])).rows()
    seeds = {row.training: row.seeds for row in rows if row.share == 1}
    assert seeds["tones-tiny-1-partial"] == seeds["solar-mobilenet-v2-partial"] == 1
    assert seeds["mandarin-tones-partial"] == seeds["solar-cells-partial"] == 3


class Measuring:
    """Measures rows by made-up answers instead of in a process, and notes how each was called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.called: list[tuple[Row, dict[str, str]]] = []
        self._patch = monkeypatch

    def call(self, folder: Path, arguments: Sequence[str], environment: dict[str, str], row: Row) -> int:
        """Keep a measurement of the row's last seed; nobody else may touch its data set meanwhile."""
        self.called.append((row, environment))
        name = row.training.rpartition("-")[0]
        with Workspace(folder, name).locked("a row"):
            pass
        studies.measure(folder, {(row.training, row.share, 16 + row.seeds): 3}, self._patch)
        return 0


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave Ctrl-C to the tests, and take the samples as they are."""
    monkeypatch.setattr(stopping, "end_at_once", lambda: None)
    monkeypatch.setattr(measurements, "check_ground", lambda dataset, workspace: None)


@pytest.mark.usefixtures("quiet")
def test_each_row_shares_the_hold_of_its_data_set_and_is_measured_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    study, measuring = studies.write(tmp_path, ["solar-cells", "solar-random"]), Measuring(monkeypatch)
    holds: dict[str, str] = {}

    def call(folder: Path, arguments: Sequence[str], environment: dict[str, str], row: Row) -> int:
        holds[row.training] = environment[HOLDER]
        monkeypatch.setenv(HOLDER, environment[HOLDER])
        return measuring.call(folder, arguments, environment, row)

    monkeypatch.setattr(side_by_side, "call", call)
    plan = plan_of(study, **SMALL)
    assert flow._measured(study, plan, 1) == []
    done = [(row.training, row.seeds) for row, _ in measuring.called]
    names = ["solar-random-head", "solar-cells-head", "solar-cells-partial"]
    assert done == [(name, seed) for seed in (1, 2) for name in names]
    assert '"solar-random"' in holds["solar-random-head"] and '"solar-cells"' in holds["solar-cells-partial"]
    assert gather(study, plan).values("solar-cells-partial", "accuracy") == [0.75, 0.75]
    said = capfd.readouterr().err.splitlines()
    assert said[0] == "1/6  begun     transfer measure solar-random-head --seeds 1 --test"
    assert re.fullmatch(r"1/6  measured  transfer measure solar-random-head --seeds 1 --test   [\d.]+ s", said[1])
    assert flow._measured(study, plan, 2) == [] and len(measuring.called) == 6
    with Workspace(study, "solar-cells").locked("the next one"):
        pass


@pytest.mark.usefixtures("quiet")
def test_a_data_set_somebody_works_on_is_told_and_the_rest_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    study, measured = studies.write(tmp_path, ["solar-cells", "solar-random"]), list[str]()
    monkeypatch.setattr(side_by_side, "call", lambda *called: measured.append(called[-1].training) or 0)
    with Workspace(study, "solar-cells").locked("a test"):
        monkeypatch.delenv(HOLDER)
        assert flow._measured(study, plan_of(study, **SMALL), 2) == ["solar-cells"]
    assert set(measured) == {"solar-random-head"}
    assert "has been working on this data set" in capfd.readouterr().err


def test_who_is_given_a_hold_shares_it_also_where_several_are_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (Workspace(tmp_path, name) for name in ("first", "second"))
    with first.locked("a test") as hold, second.locked("a test"):
        with pytest.raises(BusyError), first.locked("another"):
            pass
        monkeypatch.setenv(HOLDER, hold)
        with first.locked("a row") as same:
            assert same == hold


def test_each_look_at_the_test_split_counts_whoever_looks_meanwhile(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: Workspace(tmp_path, "birds").count_test_opening(), range(40)))
    assert sorted(seen) == list(range(1, 41))


DRIVER = """
import os, sys
from pathlib import Path
from flows import side_by_side, stopping
from tasks.study.plan import Row

CHILD = "import os, sys, time; print(os.getpid(), file=sys.stderr, flush=True); time.sleep(60)"
stopping.end_at_once()
work = lambda row, number: not side_by_side.call(Path.cwd(), ["-c", CHILD], os.environ, row)
side_by_side.measure([Row("a", 1.0, 1), Row("b", 1.0, 1), Row("c", 1.0, 1)], 2, work)
"""


def test_ctrl_c_ends_all_that_was_begun(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(studies.REPOSITORY)}
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stderr is not None
        children = [psutil.Process(int(driver.stderr.readline().split()[1])) for _ in range(2)]
        driver.send_signal(2)
        said = driver.stderr.read()
    assert driver.returncode == 130
    assert said == "error interrupted; nothing is lost, the next run goes on from here\n"
    assert not psutil.wait_procs(children, timeout=10)[1]
