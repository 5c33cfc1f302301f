"""The worked examples: their sections fit params.yaml, their data is laid out, and each ends in a champion."""

import csv
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from conftest import write_sound
from project import Project, copy_code

from tasks import config as configuration
from tasks.config import read_yaml
from tasks.sources.splits import SPLITS, place
from tasks.workspace import read_json

REPOSITORY = Path(__file__).resolve().parent.parent
EXAMPLES = sorted(path.parent.name for path in (REPOSITORY / "examples").glob("*/params.yaml"))
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
"""The six of free-spoken-digit-dataset, whose split the example declares."""


def make(root: Path) -> Project:
    """A clone with the repository's own params.yaml and examples, which shares downloads and backbones."""
    copy_code(root)
    shutil.copytree(REPOSITORY / "examples", root / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "params.yaml", root)
    (root / ".local").mkdir()
    for name in ("downloads", "backbones"):
        (REPOSITORY / ".local" / name).mkdir(parents=True, exist_ok=True)
        (root / ".local" / name).symlink_to(REPOSITORY / ".local" / name)
    return Project(root)


def record(folder: Path, takes: int) -> Path:
    """Write recordings named as those of the public set: ten pitches for the digits, a little off for each speaker."""
    for digit in range(10):
        for number, speaker in enumerate(SPEAKERS):
            for take in range(takes):
                pitch = 200 * 1.25**digit * (1 + number / 200)
                write_sound(folder / f"{digit}_{speaker}_{take}.wav", pitch, seed=100 * number + take, rate=8000)
    return folder


def lay_out(project: Project, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return project.python("-m", "examples", *arguments)


def test_each_example_is_complete() -> None:
    assert EXAMPLES == ["cell-folders", "product-reviews", "spoken-digits"]
    for name in EXAMPLES:
        told = (REPOSITORY / "examples" / name / "README.md").read_text()
        assert f"python -m examples {name}" in told
        assert f"transfer run {name}" in told
        assert "two cores, no GPU" in told


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_sections_fit_params_yaml(name: str) -> None:
    own, whole = (read_yaml(path / "params.yaml") for path in (REPOSITORY / "examples" / name, REPOSITORY))
    assert set(own) == {"datasets", "trainings"}
    assert list(own["datasets"]) == [name]
    assert (
        own["datasets"][name]["evaluate"]["trainings"] == list(own["trainings"]) == [f"{name}-head", f"{name}-partial"]
    )
    assert own["datasets"][name]["backbone"] in whole["backbones"]
    assert not set(own["trainings"]) & set(whole["trainings"])


def test_speakers_are_kept_apart() -> None:
    split = read_yaml(REPOSITORY / "examples/spoken-digits/params.yaml")["datasets"]["spoken-digits"]["ingest"]["split"]
    places = [place(split["salt"], speaker) for speaker in SPEAKERS]
    parts = Counter("test" if one < split["test"] else one < split["test"] + split["validation"] for one in places)
    assert parts == {False: 3, True: 1, "test": 2}


def test_one_command_lays_out_the_data_and_adds_the_sections(tmp_path: Path) -> None:
    project = make(tmp_path / "clone")
    recordings = record(tmp_path / "recordings", takes=1)
    (recordings / "notes.wav").write_text("x")
    before = (project.root / "params.yaml").read_text()
    done = lay_out(project, "spoken-digits", str(recordings))
    assert done.returncode == 0, done.stderr
    assert "60 recordings of 6 speakers, labels.csv in .local/examples/spoken-digits" in done.stdout
    assert done.stdout.splitlines()[-1].split() == ["next", "transfer", "run", "spoken-digits"]
    laid_out = project.root / ".local/examples/spoken-digits"
    with (laid_out / "labels.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {path.name for path in laid_out.glob("*.wav")} == {row["file"] for row in rows}
    assert {"file": "7_theo_0.wav", "digit": "7", "speaker": "theo"} in rows
    assert len(rows) == 60

    added = (project.root / "params.yaml").read_text()
    assert [line for line in added.splitlines() if line not in before.splitlines()] != []
    assert all(line in added.splitlines() for line in before.splitlines())
    assert "voices it has never heard" in added, "comments come along"
    loaded = configuration.load(project.root)
    own = read_yaml(REPOSITORY / "examples/spoken-digits/params.yaml")
    content = read_yaml(project.root / "params.yaml")
    assert content["datasets"]["spoken-digits"] == own["datasets"]["spoken-digits"]
    assert {name: content["trainings"][name] for name in own["trainings"]} == own["trainings"]
    assert set(loaded.trainings) > set(own["trainings"])


def test_what_a_user_changed_stays(tmp_path: Path) -> None:
    project = make(tmp_path / "clone")
    recordings = str(record(tmp_path / "recordings", takes=1))
    lay_out(project, "spoken-digits", recordings)
    project.change(
        "    epochs: 4\n    patience: 4\n    batch_size: 32", "    epochs: 9\n    patience: 4\n    batch_size: 32"
    )
    changed = (project.root / "params.yaml").read_text()
    again = lay_out(project, "spoken-digits", recordings)
    assert again.returncode == 0
    assert "datasets.spoken-digits is in params.yaml already and stays as it is" in again.stdout
    assert (project.root / "params.yaml").read_text() == changed


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 2, "usage: python -m examples {cell-folders,product-reviews,spoken-digits} [FOLDER]\n"),
        (["spoken-digit"], 2, "[FOLDER]. Did you mean spoken-digits?\n"),
        (["spoken-digits"], 1, "spoken-digits needs the folder of the recordings: python -m examples spoken-digits F"),
        (["spoken-digits", "nowhere"], 1, "nowhere: holds no recording named as 7_jackson_32.wav; see examples/spoken"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(tmp_path: Path, arguments: list[str], code: int, told: str) -> None:
    project = make(tmp_path / "clone")
    done = lay_out(project, *arguments)
    assert done.returncode == code
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert (project.root / "params.yaml").read_text() == (REPOSITORY / "params.yaml").read_text()
    assert not list((project.root / ".local").rglob("*spoken*"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small part of each example, learnt for one epoch, by the commands of its README."""
    project = make(tmp_path_factory.mktemp("examples") / "clone")
    recordings = record(tmp_path_factory.mktemp("recordings"), takes=6)
    for name in EXAMPLES:
        done = lay_out(project, name, *([str(recordings)] if name == "spoken-digits" else []))
        assert done.returncode == 0, done.stderr
    own = project.root / ".local" / "examples"
    reviews = pd.read_csv(own / "product-reviews" / "reviews.csv")
    reviews.groupby("sentiment").head(150).to_csv(own / "product-reviews" / "reviews.csv", index=False)
    for label in ("defective", "functional"):
        for picture in sorted((own / "cell-folders" / label).iterdir())[60:]:
            picture.unlink()
    shorten(project)
    done = project.transfer("run", *EXAMPLES)
    assert done.returncode == 0, done.stdout + done.stderr
    return project


def shorten(project: Project) -> None:
    """Let each example's training last for one epoch."""
    params = project.root / "params.yaml"
    text = params.read_text()
    start = text.index("  cell-folders-head:")
    changed = re.sub(r"epochs: \d+\n    patience: \d+", "epochs: 1\n    patience: 1", text[start:])
    assert changed.count("    epochs: 1\n") == len(EXAMPLES)
    params.write_text(text[:start] + changed)


@pytest.mark.integration
@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_ends_in_a_champion(run: Project, name: str) -> None:
    metrics = read_json(run.root / "data" / name / "evaluation" / "metrics.json")
    best = metrics["trainings"][metrics["best"]]["test"]["accuracy"]["value"]
    assert best > metrics["baseline"]["test"]["accuracy"]["value"]
    counted = read_json(run.root / ".local" / "counters" / name / "ingest.json")
    assert counted["read"] == counted["used"] + counted["refused"] + counted["duplicates"]
    manifest = pd.read_parquet(run.root / "data" / name / "raw" / "manifest.parquet")
    assert set(manifest["split"]) == set(SPLITS)
    if name != "cell-folders":
        assert (manifest.groupby("group")["split"].nunique() == 1).all()
    shown = run.transfer("show", f"{name}@champion")
    assert shown.returncode == 0, shown.stderr
