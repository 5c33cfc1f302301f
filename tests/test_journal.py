import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tasks.records import journal, lineage
from tasks.records.journal import Run
from tasks.workspace import Workspace, write_json

PARAMETERS = {"epochs": 3, "learning_rates": {"head": 0.001}, "strategy": "partial"}


@pytest.fixture
def workspace(root: Path) -> Workspace:
    return Workspace(root, "birds")


def kinds(run: Run) -> list[str]:
    return [event["event"] for event, _ in run.events(0)]


def write_model(folder: Path, weights: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    epochs = [{"epoch": 0, "loss": 0.7, "roc_auc": None}, {"epoch": 1, "loss": 0.5, "roc_auc": 0.8}]
    write_json(folder / "training.json", {"epochs": epochs, "best_epoch": 1})
    write_json(folder / "files.json", {"model.safetensors": weights})
    return folder


def test_a_run_is_on_disk_event_by_event(workspace: Workspace) -> None:
    run = Run.start(workspace, "birds-partial", PARAMETERS)
    run.metrics({"loss": 0.5, "roc_auc": None}, 1)
    run.end("FINISHED")

    (start,) = run.of_kind("start")
    assert start["training"] == "birds-partial"
    assert start["parameters"] == {"epochs": "3", "learning_rates.head": "0.001", "strategy": "partial"}
    (metrics,) = run.of_kind("metrics")
    assert metrics["values"] == {"loss": 0.5}
    assert metrics["step"] == 1
    assert kinds(run)[-1] == "end"


def test_a_class_label_with_odd_characters_makes_a_name_mlflow_takes(workspace: Workspace) -> None:
    run = Run.start(workspace, "birds-partial", {})
    run.metrics({"f1 (a/b) %": 0.5}, 0)
    assert run.of_kind("metrics")[0]["values"] == {"f1 _a_b_ _": 0.5}


def test_a_file_is_kept_as_it_was(workspace: Workspace, tmp_path: Path) -> None:
    run = Run.start(workspace, "birds-partial", {})
    plot = tmp_path / "confusion.png"
    plot.write_bytes(b"first")
    run.file(plot, "plots")
    plot.write_bytes(b"second")
    (event,) = [event for event in run.of_kind("file") if event["folder"] == "plots"]
    assert (run.folder / event["path"]).read_bytes() == b"first"


def test_a_line_cut_short_by_a_crash_spoils_itself_only(workspace: Workspace) -> None:
    run = Run.start(workspace, "birds-partial", {})
    with (run.folder / journal.EVENTS).open("ab") as stream:
        stream.write(b'{"event": "metrics", "val')
    before = kinds(run)
    run.metrics({"loss": 0.5}, 1)
    assert kinds(run) == [*before, "metrics"]


def test_events_go_on_where_they_were_left(workspace: Workspace) -> None:
    run = Run.start(workspace, "birds-partial", {})
    *_, (_, offset) = run.events(0)
    run.metrics({"loss": 0.5}, 1)
    run.end("FINISHED")
    assert [event["event"] for event, _ in run.events(offset)] == ["metrics", "end"]


def test_a_run_that_never_ended_was_killed(workspace: Workspace) -> None:
    dead = Run.start(workspace, "birds-partial", {})
    other = Run.start(workspace, "birds-head", {})
    Run.start(workspace, "birds-partial", {})
    assert dead.of_kind("end")[0]["status"] == "KILLED"
    assert not other.of_kind("end")


def test_a_part_of_a_run_lies_beside_it_and_neither_ends_the_other(workspace: Workspace) -> None:
    training = Run.start(workspace, "birds-partial", {})
    whole = Run.start(workspace, "birds-partial search", {})
    first = Run.start(workspace, "birds-partial search 1", {}, whole)
    second = Run.start(workspace, "birds-partial search 2", {}, whole)
    assert [first.parent(), second.parent(), whole.parent()] == [whole, whole, None]
    assert {first.folder.parent, second.folder.parent} == {whole.folder.parent}
    assert [event["status"] for event in first.of_kind("end")] == ["KILLED"]
    assert not any(run.of_kind("end") for run in (training, whole, second))
    assert set(journal.all_runs(workspace.root)) == {training, whole, first, second}

    Run.start(workspace, "birds-partial", {})
    assert [bool(run.of_kind("end")) for run in (training, whole, second)] == [True, False, False]
    Run.start(workspace, "birds-partial search", {})
    assert all(run.of_kind("end") for run in (whole, second))


def test_a_run_is_found_by_its_tag(workspace: Workspace) -> None:
    runs = [Run.start(workspace, "birds-partial", {}) for _ in range(3)]
    runs[1].tags({"search": "a"})
    runs[1].tags({"search": "b"})
    assert journal.tagged(workspace, "birds-partial", "search", "b") == runs[1]
    assert journal.tagged(workspace, "birds-partial", "search", "a") is None
    assert journal.tagged(workspace, "birds-head", "search", "b") is None


def test_the_run_of_a_model_is_found_by_its_files(workspace: Workspace) -> None:
    model = write_model(workspace.model("birds-partial"), "a")
    first = Run.start(workspace, "birds-partial", {})
    first.describes(model)
    first.end("FINISHED")
    write_model(model, "b")
    second = Run.start(workspace, "birds-partial", {})
    second.describes(model)
    second.end("FINISHED")

    assert journal.run_of(workspace, "birds-partial", model) == second
    write_model(model, "a")
    assert journal.run_of(workspace, "birds-partial", model) == first


def test_a_model_from_elsewhere_gets_a_run_with_its_history(workspace: Workspace) -> None:
    (workspace.root / "params.yaml").write_text(json.dumps({"trainings": {"birds-partial": PARAMETERS}}))
    model = write_model(workspace.model("birds-partial"), "a")
    run = journal.run_of(workspace, "birds-partial", model)
    assert run.of_kind("start")[0]["parameters"]["epochs"] == "3"
    assert [event["values"] for event in run.of_kind("metrics")] == [
        {"validation_loss": 0.7},
        {"validation_loss": 0.5, "validation_roc_auc": 0.8},
    ]
    assert kinds(run)[-1] == "end"
    assert journal.run_of(workspace, "birds-partial", model) == run


def test_a_run_knows_code_parameters_data_and_backbone(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    root, md5 = workspace.root, "0123456789abcdef0123456789abcdef.dir"
    sections = {
        "datasets": {"birds": {"backbone": "lite", "seed": 1}, "cats": {"backbone": "lite"}},
        "trainings": {"birds-partial": PARAMETERS, "cats-head": {}},
        "backbones": {"lite": {"sha256": "5" * 64, "licence": "Apache-2.0"}, "other": {}},
    }
    (root / "params.yaml").write_text(json.dumps(sections))
    commit(root)
    (root / "params.yaml").write_text(json.dumps(sections, indent=1))
    lock = {"ingest@birds": {"outs": [{"path": "data/birds/raw", "md5": md5}]}, "ingest@cats": {"outs": []}}
    (root / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": lock}))
    workspace.raw.mkdir(parents=True)
    pd.DataFrame({"id": ["a", "b"]}).to_parquet(workspace.raw / "manifest.parquet")
    monkeypatch.setenv(lineage.FLOW_RUN, "flow-1")

    run = Run.start(workspace, "birds-partial", PARAMETERS)

    assert run.tag("data_md5") == md5
    assert run.of_kind("data")[0]["digest"] == md5
    assert run.tag("data_samples") == "2"
    assert (run.tag("backbone"), run.tag("backbone_licence")) == ("lite", "Apache-2.0")
    assert run.tag("backbone_sha256") == "5" * 64
    assert run.tag("flow_run_id") == "flow-1"
    assert len(run.tag("git_commit") or "") == 40
    assert int(run.tag("git_diff_lines") or 0) > 2
    kept = {Path(event["path"]).name: (run.folder / event["path"]).read_text() for event in run.of_kind("file")}
    assert set(kept) == {"git.diff", "params.yaml", "dvc.lock"}
    assert "cats" not in kept["params.yaml"] + kept["dvc.lock"]
    assert "other" not in kept["params.yaml"]


def commit(root: Path) -> None:
    author = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    for arguments in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "-m", "first"]):
        subprocess.run(["git", *arguments], cwd=root, check=True)
