"""One small run per modality, by the command a user types: real weights, real samples, a registered model."""

import csv
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from project import Project, copy_code, environment
from readme import blocks, typed
from ruamel.yaml import YAML
from samples import encoded, picture

from tasks.config import read_yaml
from tasks.workspace import Workspace, read_json

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).resolve().parent.parent
ROWS = {"solar-cells": 24, "movie-reviews": 60, "mandarin-tones": 24}
"""How many real samples of each split and class are learnt from."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, real_raw: Callable[[str], Workspace]) -> Project:
    """A project with a small part of each data set as a user's own folder or table, run once."""
    root = tmp_path_factory.mktemp("small")
    copy_code(root)
    (root / ".local").mkdir()
    for name in ("downloads", "backbones"):
        (root / ".local" / name).symlink_to(REPOSITORY / ".local" / name)
    content = read_yaml(REPOSITORY / "params.yaml")
    content["datasets"] = {name: small(content["datasets"][name], real_raw(name), root) for name in ROWS}
    content["trainings"] = {
        name: training | ({"epochs": 1} if "epochs" in training else {})
        for name, training in content["trainings"].items()
        if training["dataset"] in ROWS
    }
    content["candidates"] = {"mandarin-tones": content["candidates"]["mandarin-tones"][:2]}
    content["searches"]["mandarin-tones"]["trials"] = 2
    YAML().dump(content, root / "params.yaml")
    made = Project(root)
    ran = made.transfer("run")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (root / "told.txt").write_text(ran.stdout + ran.stderr)
    return made


def small(section: dict[str, Any], raw: Workspace, root: Path) -> dict[str, Any]:
    """Copy some samples of each split and class, with a table that says their split, and declare them."""
    manifest = pd.read_parquet(raw.raw / "manifest.parquet")
    part = manifest.groupby(["split", "label"], sort=False).head(ROWS[raw.name])
    part = part.astype(object).where(part.notna(), None)
    folder = root / "own" / raw.name
    folder.mkdir(parents=True)
    columns = {name: name for name in ("content", "label", "group", "split", "confidence")}
    source = {"kind": "folder", "path": f"own/{raw.name}", "table": "table.csv", "columns": columns}
    if section["modality"] == "text":
        source = {"kind": "table", "path": f"own/{raw.name}/table.csv", "content": "text", "columns": columns}
    with (folder / "table.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(columns)
        for row in part.itertuples():
            content = row.text if row.path is None else f"{row.id[:12]}{Path(row.path).suffix}"
            if row.path is not None:
                shutil.copyfile(raw.raw / row.path, folder / content)
            table.writerow([content, row.label, row.group or row.id, row.split, row.confidence])
    split = {"kind": "column"}
    return section | {"ingest": {"source": source, "split": split, "group_pattern": None, "refused_share": 0.0}}


@pytest.mark.parametrize("name", ROWS)
def test_each_modality_goes_from_raw_data_to_a_champion(project: Project, name: str) -> None:
    metrics = read_json(project.root / "data" / name / "evaluation" / "metrics.json")
    best = metrics["trainings"][metrics["best"]]["test"]["accuracy"]
    assert best["low"] <= best["value"] <= best["high"]
    assert best["value"] > metrics["baseline"]["test"]["accuracy"]["value"]
    shown = project.transfer("show", f"{name}@champion")
    assert shown.returncode == 0, shown.stderr
    assert "version 1" in shown.stdout and "sha256" in shown.stdout


def test_no_stack_trace_of_any_server_reaches_the_user(project: Project) -> None:
    told = (project.root / "told.txt").read_text()
    for word in ("Traceback", "Error", "WARNING", "prefect"):
        assert word not in told


def test_everything_is_fresh_afterwards(project: Project) -> None:
    assert project.stale() == {}


@pytest.mark.parametrize("name", ROWS)
def test_rows_in_are_rows_used_or_refused(project: Project, name: str) -> None:
    workspace = Workspace(project.root, name)
    ingested, prepared = workspace.counters("ingest"), workspace.counters("preprocess")
    assert ingested["read"] == ingested["used"] + ingested["refused"] + ingested["duplicates"]
    assert ingested["used"] == prepared["decoded"] + prepared["refused"]
    assert workspace.counters("extract")["featurised"] == prepared["decoded"]


@pytest.mark.parametrize("training", ["head", "partial"])
def test_a_picture_model_is_a_pipeline_of_transformers(project: Project, training: str) -> None:
    from PIL import Image
    from transformers import pipeline

    directory = project.root / "data" / "solar-cells" / "models" / f"solar-cells-{training}"
    files = sorted((project.root / "own" / "solar-cells").glob("*.png"))[:6]
    ours = answers(directory, [file.read_bytes() for file in files])
    asked = pipeline("image-classification", model=str(directory), device="cpu")
    theirs = [asked(Image.open(file).convert("RGB")) for file in files]
    same(ours, theirs)


@pytest.mark.parametrize("training", ["head", "partial"])
def test_a_sound_model_is_a_pipeline_of_transformers(project: Project, training: str) -> None:
    from transformers import pipeline

    from tasks.modalities import audio

    directory = project.root / "data" / "mandarin-tones" / "models" / f"mandarin-tones-{training}"
    files = sorted((project.root / "own" / "mandarin-tones").glob("*.ogg"))[:6]
    contents = [file.read_bytes() for file in files]
    ours = answers(directory, contents)
    asked = pipeline("audio-classification", model=str(directory), device="cpu")
    settings = SimpleNamespace(**read_json(directory / "pipeline.json")["preprocess"])
    waves = [audio.decode(content, settings, directory).samples for content in contents]
    theirs = [asked(wave, top_k=5) for wave in waves]
    same(ours, theirs)


def answers(directory: Path, contents: list[bytes]) -> pd.DataFrame:
    from tasks.predict import Predictor

    return Predictor.load(directory).answer(contents)


def same(ours: pd.DataFrame, theirs: list[list[dict[str, Any]]]) -> None:
    """Compare answers and confidences; transformers' own mel extractor and resizing differ in the last digits."""
    assert ours["answer"].tolist() == [answer[0]["label"] for answer in theirs]
    np.testing.assert_allclose(ours["confidence"], [answer[0]["score"] for answer in theirs], atol=2e-3)


def test_a_bad_file_is_refused_and_the_rest_answered(project: Project, tmp_path: Path) -> None:
    good = next((project.root / "own" / "solar-cells").glob("*.png"))
    shutil.copyfile(good, tmp_path / "good.png")
    (tmp_path / "bad.png").write_text("no picture")
    output = tmp_path / "answers.csv"
    asked = project.transfer("predict", "solar-cells", str(tmp_path), "--output", str(output))
    assert asked.returncode == 0, asked.stderr
    rows = {Path(row["name"]).name: row for row in csv.DictReader(output.open())}
    assert rows["bad.png"]["refused"] and not rows["bad.png"]["answer"]
    assert rows["good.png"]["answer"] and not rows["good.png"]["refused"]


def test_a_training_can_be_asked_by_name(project: Project) -> None:
    table = project.root / "own" / "movie-reviews" / "ask.csv"
    table.write_text("text\nwonderful and moving\ndull and pointless\n")
    asked = project.transfer("predict", "movie-reviews", str(table), "--model", "movie-reviews-head")
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.count("ask.csv row") == 2
    wrong = project.transfer("predict", "movie-reviews", str(table), "--model", "movie-reviews-hed")
    assert wrong.returncode == 1
    assert "there are: movie-reviews-head, movie-reviews-partial" in wrong.stderr


def test_every_command_of_the_readme_runs(project: Project) -> None:
    """The block after the two make targets, in one shell, as a user would type it; `transfer ui` has its own test."""
    first, then = blocks()[:2]
    assert first == ["make run", "make test"]
    assert then.pop() == "transfer ui"
    done = typed(project, then)
    assert "nothing to do" in done and "Data and pipelines are up to date" in done


def test_own_data_comes_and_goes_as_the_readme_says(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block under "Your own data"; what it asks is agreed to."""
    for number in range(40):
        place = project.root / "home" / "pictures" / "birds" / ("heron", "coot")[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encoded(picture(seed=number), "PNG"))
    before = (project.root / "params.yaml").read_bytes()
    monkeypatch.setenv("HOME", str(project.root / "home"))
    [new, run, remove] = next(block for block in blocks() if block[0].startswith("transfer new"))
    done = typed(project, [f"{new} --yes", run, f"{remove} --yes"])
    assert "40 pictures in 2 folders" in done and "data/birds/report/report.html" in done
    assert (project.root / "params.yaml").read_bytes() == before


def test_the_pages_of_mlflow_are_served_and_ended(project: Project) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "flows.cli", "ui", "--port", str(port)]
    with subprocess.Popen(command, cwd=project.root, env=environment(), stdout=subprocess.PIPE, text=True) as running:
        try:
            assert "movie-reviews" in experiments(f"http://127.0.0.1:{port}")
            taken = project.transfer("ui", "--port", str(port))
            assert taken.returncode == 1 and f"port {port} is taken" in taken.stderr
        finally:
            running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == 0


def experiments(address: str) -> list[str]:
    """Ask the server for its experiments, once it answers."""
    asked = urllib.request.Request(
        f"{address}/api/2.0/mlflow/experiments/search", b'{"max_results": 50}', {"Content-Type": "application/json"}
    )
    for _ in range(240):
        try:
            with urllib.request.urlopen(asked) as answer:
                return [experiment["name"] for experiment in json.load(answer)["experiments"]]
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the MLflow server did not answer")


def test_the_commands_that_choose_among_trainings_run(project: Project) -> None:
    """The README's next block: backbones ranked, a training repeated, folds, a search. The last test: it edits."""
    commands = blocks()[2]
    assert [line.split()[1] for line in commands] == ["rank", "measure", "measure", "tune"]
    told = typed(project, commands)
    assert "Candidates for mandarin-tones, by LogME" in told
    assert "mandarin-tones-partial on the validation split" in told
    assert "mandarin-tones-head on the folds held out" in told
    assert "The best trials of mandarin-tones-partial" in told
    assert not (Workspace(project.root, "mandarin-tones").model("mandarin-tones-tuned")).exists()
