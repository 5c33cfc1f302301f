import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tracked import with_database

from tasks.errors import RegistryError
from tasks.records import posting, tracking
from tasks.records.journal import Run
from tasks.workspace import Workspace

NOBODY = "http://127.0.0.1:1"


@pytest.fixture
def workspace(root: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv(tracking.ADDRESS, raising=False)
    return Workspace(with_database(root), "birds")


def write_run(workspace: Workspace, training: str = "birds-partial") -> Run:
    run = Run.start(workspace, training, {"epochs": 2, "seed": 17})
    for epoch, loss in enumerate([0.7, 0.5, 0.4]):
        run.metrics({"loss": loss}, epoch)
    run.text("note.txt", b"kept", "notes")
    run.tags({"model_digest": "d" * 64})
    run.end("FINISHED")
    return run


def runs(root: Path) -> list[Any]:
    with tracking.connected(root) as client:
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        return list(client.search_runs(experiments))


def assert_whole(root: Path, run_id: str) -> None:
    """Everything write_run wrote is there, once."""
    with tracking.connected(root) as client:
        run, history = client.get_run(run_id), client.get_metric_history(run_id, "loss")
        files = {file.path for file in client.list_artifacts(run_id, "notes")}
    assert [(metric.step, metric.value) for metric in history] == [(0, 0.7), (1, 0.5), (2, 0.4)]
    assert run.data.params == {"epochs": "2", "seed": "17"}
    assert run.data.tags["model_digest"] == "d" * 64
    assert run.info.status == "FINISHED"
    assert [given.dataset.name for given in run.inputs.dataset_inputs] == ["birds"]
    assert files == {"notes/note.txt"}


def test_a_run_arrives_in_the_experiment_of_its_data_set(workspace: Workspace) -> None:
    write_run(workspace)
    tracking.finish(workspace.root)

    (run,) = runs(workspace.root)
    assert_whole(workspace.root, run.info.run_id)
    assert run.info.run_name == "birds-partial"
    with tracking.connected(workspace.root) as client:
        experiment = client.get_experiment(run.info.experiment_id)
    assert experiment.name == "birds"
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert (workspace.local / "artifacts" / "birds").is_dir()


def test_a_part_of_a_run_arrives_below_it_whichever_goes_first(workspace: Workspace) -> None:
    whole = Run.start(workspace, "birds-partial search", {"trials": 2})
    parts = [Run.start(workspace, f"birds-partial search {number}", {}, whole) for number in (1, 2)]
    with tracking.connected(workspace.root) as client:
        for run in (parts[1], whole, parts[0]):
            tracking.send_run(client, workspace.root, run)
    tracking.send(workspace.root)
    arrived = {run.info.run_name: run for run in runs(workspace.root)}
    above = arrived["birds-partial search"]
    assert len(arrived) == 3
    assert above.data.params == {"trials": "2"}
    assert posting.PARENT not in above.data.tags
    for number in (1, 2):
        assert arrived[f"birds-partial search {number}"].data.tags[posting.PARENT] == above.info.run_id

    with_database(workspace.root)
    parts[0].tags({"late": "yes"})
    tracking.send(workspace.root)
    (part,) = (run for run in runs(workspace.root) if run.data.tags.get("late"))
    (above,) = (run for run in runs(workspace.root) if run.info.run_name == "birds-partial search")
    assert part.data.tags[posting.PARENT] == above.info.run_id
    assert above.data.params == {"trials": "2"}


def test_a_run_is_seen_while_it_goes_on(workspace: Workspace) -> None:
    run = Run.start(workspace, "birds-partial", {})
    run.metrics({"loss": 0.5}, 1)
    tracking.deliver(workspace.root).result(30)
    (seen,) = runs(workspace.root)
    assert seen.info.status == "RUNNING"
    assert seen.data.metrics == {"loss": 0.5}

    run.metrics({"loss": 0.25}, 2)
    tracking.deliver(workspace.root).result(30)
    (seen,) = runs(workspace.root)
    assert seen.data.metrics == {"loss": 0.25}


def test_what_a_server_missed_is_sent_when_there_is_one_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(tracking.ADDRESS, NOBODY)
    write_run(workspace)
    tracking.finish(workspace.root)
    said = capfd.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert said[0].startswith(f"warning: MLflow at {NOBODY}")

    monkeypatch.delenv(tracking.ADDRESS)
    write_run(workspace, "birds-head")
    tracking.finish(workspace.root)
    assert capfd.readouterr().err == ""
    arrived = {run.info.run_name: run.info.run_id for run in runs(workspace.root)}
    assert set(arrived) == {"birds-partial", "birds-head"}
    for run_id in arrived.values():
        assert_whole(workspace.root, run_id)


def test_a_locked_database_delays_and_loses_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tracking, "BUSY_SECONDS", 0.1)
    write_run(workspace)
    holder = sqlite3.connect(workspace.local / "mlflow.db")
    holder.execute("BEGIN EXCLUSIVE")
    tracking.finish(workspace.root)
    said = capfd.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert "database is locked" in said[0]
    holder.rollback()
    holder.close()

    tracking.finish(workspace.root)
    (run,) = runs(workspace.root)
    assert_whole(workspace.root, run.info.run_id)


def test_killed_behind_any_event_it_is_sent_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    events = len(list(write_run(workspace).events(0)))
    tracking.send(workspace.root)
    for fatal in range(events):
        write_run(workspace)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            kill_at(fatal, patch)
            tracking.send(workspace.root)
        tracking.send(workspace.root)
    arrived = runs(workspace.root)
    assert len(arrived) == 1 + events
    for run in arrived:
        assert_whole(workspace.root, run.info.run_id)


def kill_at(fatal: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the event number `fatal` be sent, and the process die before it could note so."""
    countdown, note = iter(range(1000)), posting.Sent.note

    def dying(self: posting.Sent, run_id: str, offset: int) -> None:
        if next(countdown) == fatal:
            raise KeyboardInterrupt
        note(self, run_id, offset)

    monkeypatch.setattr(posting.Sent, "note", dying)


def test_a_deleted_run_stays_deleted(workspace: Workspace) -> None:
    run = write_run(workspace)
    tracking.send(workspace.root)
    with tracking.connected(workspace.root) as client:
        client.delete_run(runs_id(workspace.root, client))
    run.metrics({"loss": 0.3}, 3)
    tracking.send(workspace.root)
    assert runs(workspace.root) == []


def runs_id(root: Path, client: Any) -> str:
    (run,) = client.search_runs([client.get_experiment_by_name("birds").experiment_id])
    return str(run.info.run_id)


def test_an_emptied_database_is_filled_again(workspace: Workspace) -> None:
    run = write_run(workspace)
    tracking.send(workspace.root)
    with_database(workspace.root)
    run.tags({"late": "yes"})
    tracking.send(workspace.root)
    (arrived,) = runs(workspace.root)
    assert_whole(workspace.root, arrived.info.run_id)


def test_an_address_that_is_none_is_told_in_one_line(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tracking.ADDRESS, "nonsense://nowhere")
    write_run(workspace)
    with pytest.raises(RegistryError) as caught:
        tracking.send(workspace.root)
    assert "nonsense://nowhere" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_anything_to_send_mlflow_is_not_imported(root: Path, repository: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tasks.records import tracking; "
        f"tracking.finish(Path({str(root)!r})); sys.exit('mlflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=repository, check=True)


@pytest.mark.integration
def test_a_process_that_ends_at_once_still_delivers(workspace: Workspace, repository: Path) -> None:
    write_run(workspace)
    code = (
        f"from pathlib import Path; from tasks.records import tracking; tracking.deliver(Path({str(workspace.root)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=repository, check=True)
    (run,) = runs(workspace.root)
    assert_whole(workspace.root, run.info.run_id)
