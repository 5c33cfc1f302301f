"""Shared fixtures: a project of its own for each test, tiny valid parameters, tiny files, small real data.

Unit tests generate their files. Integration tests use what the packages of params.yaml carry; downloads and
converted backbones are kept in the repository's own .local, so nothing is fetched twice.
"""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from tasks import config as configuration
from tasks.schema import AnyDataset, AnyTraining, Columns, Config, FolderSource, TableSource
from tasks.workspace import Workspace

if TYPE_CHECKING:
    from tasks.neural.learning import Ground

REPOSITORY = Path(__file__).resolve().parents[1]
COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}
PITCHES = {"low": 220.0, "high": 880.0}


def changed(section: Any, changes: Mapping[str, Any]) -> Any:
    """Return a copy of a section of params.yaml with the values at dotted keys ("ingest.source") replaced."""
    for key, value in changes.items():
        first, _, rest = key.partition(".")
        inner = changed(getattr(section, first), {rest: value}) if rest else value
        section = section.model_copy(update={first: inner})
    return section


def write_picture(path: Path, colour: tuple[int, int, int], seed: int, size: int = 32) -> None:
    """Write a noisy RGB picture of one colour; another seed gives other bytes."""
    from PIL import Image

    noise = np.random.default_rng(seed).integers(-30, 30, (size, size, 3))
    pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_sound(path: Path, pitch: float, seed: int, seconds: float = 0.3, rate: int = 16000) -> None:
    """Write a mono 16-bit recording of a noisy tone of `pitch` hertz; another seed gives other bytes."""
    import soundfile

    time = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(0, 0.02, time.size)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * pitch * time) + noise, rate, subtype="PCM_16")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The project these tests belong to."""
    return REPOSITORY


@pytest.fixture(scope="session")
def config() -> Config:
    """The repository's own params.yaml."""
    return configuration.load(REPOSITORY)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty project."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def tiny_dataset(config: Config) -> Callable[..., AnyDataset]:
    """Make parameters of a data set: `tiny_dataset("solar-cells", {"preprocess.size": 64})`."""

    def make(name: str, changes: Mapping[str, Any]) -> AnyDataset:
        result: AnyDataset = changed(config.datasets[name], changes)
        return result

    return make


@pytest.fixture
def tiny_training(config: Config) -> Callable[..., AnyTraining]:
    """Make parameters of a training: `tiny_training("movie-reviews-partial", {"epochs": 1})`."""

    def make(name: str, changes: Mapping[str, Any]) -> AnyTraining:
        result: AnyTraining = changed(config.trainings[name], changes)
        return result

    return make


@pytest.fixture
def pictures(root: Path) -> FolderSource:
    """A folder per colour with 12 pictures of 32 x 32 pixels each."""
    for label, colour in COLOURS.items():
        for number in range(12):
            write_picture(root / "pictures" / label / f"{number:02}.png", colour, seed=number)
    return FolderSource(kind="folder", path=Path("pictures"), table=None, columns=None)


@pytest.fixture
def sounds(root: Path) -> FolderSource:
    """A folder per pitch with 12 recordings of 0.3 s each."""
    for label, pitch in PITCHES.items():
        for number in range(12):
            write_sound(root / "sounds" / label / f"{number:02}.wav", pitch, seed=number)
    return FolderSource(kind="folder", path=Path("sounds"), table=None, columns=None)


@pytest.fixture
def reviews(root: Path) -> TableSource:
    """A CSV of 40 short texts (column text) with a label, a score from -1 to 1 and a group of two."""
    rows = [
        {
            "text": f"{'a fine' if good else 'a poor'} film, number {number}",
            "label": "positive" if good else "negative",
            "score": (1 if good else -1) * (number + 1) / 40,
            "author": f"author {number // 2}",
        }
        for number, good in enumerate([True, False] * 20)
    ]
    pd.DataFrame(rows).to_csv(root / "reviews.csv", index=False)
    columns = Columns(content="text", label="label", group=None, split=None, confidence=None)
    return TableSource(kind="table", path=Path("reviews.csv"), content="text", columns=columns)


@pytest.fixture(scope="session")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> "Callable[[str], Ground]":
    """Write the tiny data set of a modality, once; only to be read."""
    import lessons

    from tasks.neural.learning import Ground

    shelf = tmp_path_factory.mktemp("lessons")
    return cache(lambda reads: Ground.of(lessons.write(shelf / reads, reads)))


@pytest.fixture
def ground(grounds: "Callable[[str], Ground]") -> "Callable[[str], Ground]":
    """What trainings of a tiny data set start from, `ground("image")`: on one thread, two would wait for each other."""
    import torch

    torch.set_num_threads(1)
    return grounds


@pytest.fixture(scope="session")
def real_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project for integration tests that shares downloads and backbones with the repository."""
    folder = tmp_path_factory.mktemp("real")
    (folder / ".local").mkdir()
    for name in ("downloads", "backbones"):
        shared = REPOSITORY / ".local" / name
        shared.mkdir(parents=True, exist_ok=True)
        (folder / ".local" / name).symlink_to(shared)
    return folder


@pytest.fixture(scope="session")
def real_raw(real_root: Path, config: Config) -> Callable[[str], Workspace]:
    """Ingest a data set of params.yaml once in a session: `real_raw("solar-cells")`; only to be read."""
    from tasks.ingest import ingest

    def make(name: str) -> Workspace:
        workspace = Workspace(real_root, name)
        if not workspace.raw.exists():
            ingest(config.datasets[name], workspace)
        return workspace

    return make


@pytest.fixture
def small_raw(real_raw: Callable[[str], Workspace], real_root: Path) -> Callable[[str, int], Workspace]:
    """Make a workspace with the first `rows` real samples of each split: `small_raw("solar-cells", 20)`."""
    import shutil

    def make(name: str, rows: int) -> Workspace:
        whole = real_raw(name)
        manifest = pd.read_parquet(whole.raw / "manifest.parquet")
        part = manifest.groupby("split", sort=False).head(rows)
        small = Workspace(real_root, f"{name}-small-{rows}")
        shutil.rmtree(small.home, ignore_errors=True)
        small.raw.mkdir(parents=True)
        part.to_parquet(small.raw / "manifest.parquet", index=False)
        for path in part["path"].dropna():
            (small.raw / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(whole.raw / path, small.raw / path)
        return small

    return make
