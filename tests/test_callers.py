"""`transfer run` and `dvc repro` are interchangeable: after either one the other runs nothing."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from project import Project, environment, make, write_texts

from tasks.config import read_yaml
from tasks.versioning import definition_of, output_hashes

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project run once by `transfer run`; tests work on copies of it."""
    project = make(tmp_path_factory.mktemp("template"))
    first = project.transfer("run")
    assert first.returncode == 0, first.stderr
    (project.root / "first.txt").write_text(first.stdout + first.stderr)
    return project


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prefect server of our own on 127.0.0.1, stopped afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = environment() | {"PREFECT_HOME": str(tmp_path_factory.mktemp("prefect")), "DO_NOT_TRACK": "1"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, env=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            yield wait_for(f"http://127.0.0.1:{port}/api")
        finally:
            running.terminate()


def wait_for(address: str) -> str:
    """Wait until the server at `address` is healthy."""
    for _ in range(240):
        try:
            with urllib.request.urlopen(f"{address}/health") as answer:
                if answer.status == 200:
                    return address
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the Prefect server did not start")


@pytest.fixture
def project(template: Project, tmp_path: Path, server: str) -> Project:
    subprocess.run(["cp", "-a", f"{template.root}/.", str(tmp_path)], check=True)
    return Project(tmp_path, server)


def hashes(project: Project) -> dict[str, str]:
    """The md5 of every recorded output."""
    entries = read_yaml(project.root / "dvc.lock")["stages"].values()
    return {path: digest for entry in entries for path, digest in output_hashes(entry).items()}


def test_the_first_run_tells_each_stage_and_the_result(template: Project) -> None:
    told = (template.root / "first.txt").read_text()
    for word in (
        "ingest",
        "preprocess",
        "extract",
        "finetune colours-head",
        "finetune colours-partial",
        "evaluate",
        "register",
    ):
        assert word in told
    assert "Traceback" not in told
    assert "1 champion" in told


def test_after_transfer_run_all_is_fresh_for_both(project: Project) -> None:
    assert project.stale() == {}
    again = project.dvc("repro")
    assert "Running stage" not in again.stdout
    assert "nothing to do" in project.transfer("run").stdout
    assert "stale" not in project.transfer("status").stdout


def test_a_run_ends_with_a_page_that_makes_nothing_stale(project: Project) -> None:
    page = project.root / "data" / "colours" / "report" / "report.html"
    assert "report  data/colours/report/report.html" in (project.root / "first.txt").read_text()
    before = page.read_bytes()
    logged = list((project.root / ".local" / "artifacts").rglob("report/report.html"))
    assert [path.read_bytes() for path in logged] == [before]
    again = project.transfer("report", "colours")
    assert again.returncode == 0, again.stderr
    assert again.stdout.strip() == "report  data/colours/report/report.html"
    assert page.read_bytes() == before
    assert project.stale() == {}
    (project.root / "data" / "colours" / "evaluation" / "metrics.json").unlink()
    without = project.transfer("report")
    assert without.returncode == 1 and without.stderr.count("\n") == 1
    assert "nothing is evaluated yet" in without.stderr and "transfer run colours" in without.stderr


def test_what_dvc_repro_ran_is_fresh_for_transfer_run(tmp_path: Path, template: Project) -> None:
    project = make(tmp_path / "other")
    ran = project.dvc("repro")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert project.stale() == {}
    assert "nothing to do" in project.transfer("run").stdout
    own, other = hashes(project), hashes(template)
    assert own == other


def test_a_changed_strength_reruns_its_training_and_what_follows(project: Project) -> None:
    project.change("strengths: [0.1, 1.0]", "strengths: [0.01]")
    assert "trainings.colours-head.head.strengths [0.1, 1.0] -> [0.01]" in project.transfer("status").stdout
    assert ran(project, "transfer") >= {"finetune@colours-head", "evaluate@colours"}
    assert project.stale() == {}
    states = task_states(project.server)
    assert ("Fresh", "nothing it depends on has changed") in states
    assert any("head.strengths [0.1, 1.0] -> [0.01]" in message for name, message in states if name == "Completed")


def task_states(server: str) -> list[tuple[str, str]]:
    """Name and message of the states in which the server's task runs ended."""
    asked = urllib.request.Request(f"{server}/task_runs/filter", b"{}", {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked) as answer:
        return [(run["state"]["name"], run["state"]["message"] or "") for run in json.load(answer)]


def test_what_dvc_began_transfer_run_ends(project: Project) -> None:
    write_texts(project.root / "texts" / "colours.csv", 130)
    assert project.dvc("repro", "preprocess@colours").returncode == 0
    names = ran(project, "transfer")
    assert "extract@colours" in names and not names & {"ingest@colours", "preprocess@colours"}
    assert project.stale() == {}
    assert "Running stage" not in project.dvc("repro").stdout


def test_a_change_without_consequence_stops_where_it_has_none(project: Project) -> None:
    table = project.root / "texts" / "colours.csv"
    table.write_text(table.read_text() + "number0 red orange amber,warm\n".replace("orange amber", "red red"))
    write_texts(table, 120)
    rows = table.read_text().splitlines()
    table.write_text("\n".join([rows[0], *rows[1:], rows[1]]) + "\n")
    told = project.transfer("run").stdout
    assert "1 duplicates kept once" in told
    assert "preprocess" in told and "finetune colours-head                ran" not in told
    assert project.stale() == {}


def test_a_source_that_is_gone_keeps_what_was_ingested(project: Project) -> None:
    (project.root / "texts" / "colours.csv").unlink()
    project.change("strengths: [0.1, 1.0]", "strengths: [0.5]")
    run = project.transfer("run")
    assert run.returncode == 0, run.stderr
    assert "is gone" in run.stdout
    assert "finetune colours-head" in run.stdout


@pytest.mark.parametrize("seconds", [pytest.param(6.0, marks=pytest.mark.slow), 12.0])
def test_killed_at_any_moment_the_next_run_ends_the_same(
    tmp_path: Path, template: Project, server: str, seconds: float
) -> None:
    project = Project(make(tmp_path / "killed").root, server)
    command = [sys.executable, "-m", "flows.cli", "run"]
    running = subprocess.Popen(
        command, cwd=project.root, env=environment(), stdout=subprocess.PIPE, start_new_session=True
    )
    time.sleep(seconds)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert project.transfer("run").returncode == 0
    assert project.stale() == {}
    assert hashes(project) == hashes(template)


def test_our_reading_of_dvc_yaml_is_dvcs_own(template: Project) -> None:
    content = read_yaml(template.root / "params.yaml")
    for stage, entry in read_yaml(template.root / "dvc.lock")["stages"].items():
        definition = definition_of(stage, read_yaml(template.root / "dvc.yaml"), content)
        assert sorted(definition["deps"]) == sorted(dependency["path"] for dependency in entry["deps"])
        assert sorted(definition["params"]) == sorted(entry["params"]["params.yaml"])


def test_the_registered_model_answers(project: Project) -> None:
    answer = project.python("-m", "flows.cli", "show", "colours@champion")
    assert "version" in answer.stdout and "colours" in answer.stdout
    texts = project.root / "new.csv"
    texts.write_text("text\nred scarlet\nnavy blue\n")
    told = project.transfer("predict", "colours", str(texts))
    assert told.returncode == 0, told.stderr
    assert "warm" in told.stdout and "cold" in told.stdout


def ran(project: Project, caller: str) -> set[str]:
    """Run what is stale and return the names of the stages that ran, by the clocks of their counters."""
    folder = project.root / ".local" / "counters" / "colours"
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.json")}
    done = project.transfer("run") if caller == "transfer" else project.dvc("repro")
    assert done.returncode == 0, done.stdout + done.stderr
    after = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.json") if path.name != "test-openings.json"}
    names = [name.removesuffix(".json") for name, changed in after.items() if before.get(name) != changed]
    return {name.replace("finetune-", "finetune@") if "finetune-" in name else f"{name}@colours" for name in names}
