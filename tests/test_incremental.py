"""Nothing is computed twice: the counters of ingest, preprocess and extract when little or nothing has changed."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tiny
from conftest import changed, write_picture, write_sound
from project import backbone as text_backbone
from project import write_texts
from safetensors.numpy import load_file, save_file

from tasks.extract import extract
from tasks.ingest import ingest
from tasks.modalities.shards import Prepared
from tasks.preprocess import preprocess
from tasks.schema import AnyDataset, Backbone, Config
from tasks.store import Store
from tasks.workspace import FILES, Workspace, read_json, sha256_of

NAMES = {"image": "solar-cells", "text": "movie-reviews", "audio": "mandarin-tones"}
FAMILY = {"image": "test_efficientnet", "text": "bert", "audio": "whisper"}
SMALL: dict[str, dict[str, Any]] = {
    "image": {"preprocess.size": 32, "preprocess.shard": 4, "extract.batch_size": 5},
    "text": {"preprocess.tokens": 16, "preprocess.shard": 4, "extract.batch_size": 5},
    "audio": {"preprocess.shard": 4, "extract.batch_size": 5, "extract.layers": None},
}
BEGUN = 40


class Set(NamedTuple):
    """A data set of a modality whose samples can be added to."""

    modality: str
    params: AnyDataset
    workspace: Workspace

    def add(self, first: int, count: int) -> None:
        """Add samples to its source."""
        add(self.modality, self.workspace.root / "source", first, count)

    def run(self, **changes: Any) -> dict[str, dict[str, Any]]:
        """Run the first three stages and return what each counted."""
        params = self.params.model_copy(update=changes)
        for stage in (ingest, preprocess, extract):
            stage(params, self.workspace)
        return {name: self.workspace.counters(name) for name in ("ingest", "preprocess", "extract")}

    def features(self) -> "dict[str, np.ndarray[Any, Any]]":
        """Return the features of each sample by its id."""
        stored = load_file(self.workspace.features / "features.safetensors")
        return dict(zip((bytes(row).hex() for row in stored["ids"]), stored["features"], strict=True))


def declared(name: str, directory: Path) -> Backbone:
    weights = directory / "model.safetensors"
    told = {"name": name, "format": "huggingface", "file": weights.name, "licence": "MIT"}
    source = {"kind": "folder", "path": directory}
    return Backbone.model_validate({**told, "source": source, "sha256": sha256_of(weights)})


def add(modality: str, folder: Path, first: int, count: int) -> None:
    """Add samples to a source, from number `first` on."""
    for number in range(first, first + count):
        label = ("left", "right")[number % 2]
        if modality == "image":
            write_picture(folder / label / f"{number}.png", (200 * (number % 2), 60, 90), seed=number)
        if modality == "audio":
            write_sound(folder / label / f"{number}.wav", 220.0 * (1 + number % 2), seed=number)
    if modality == "text":
        write_texts(folder / "texts.csv", first + count)


@pytest.fixture(scope="module", params=NAMES)
def begun(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, config: Config) -> Set:
    """A data set of each modality in turn, of 40 samples, with a tiny backbone: run once."""
    modality, root = request.param, tmp_path_factory.mktemp("begun")
    directory = root / "backbone"
    if modality == "text":
        text_backbone(directory)
    else:
        tiny.write(FAMILY[modality], directory)
    add(modality, root / "source", 0, BEGUN)
    columns = {"content": "text", "label": "label", "group": None, "split": None, "confidence": None}
    table = {"kind": "table", "path": Path("source/texts.csv"), "content": "text", "columns": columns}
    folder = {"kind": "folder", "path": Path("source"), "table": None, "columns": None}
    settings = SMALL[modality] | {"backbone": declared("tiny", directory), "extract.precision": "float32"}
    content = changed(config.datasets[NAMES[modality]], settings).model_dump(by_alias=True) | {"name": "few"}
    content["ingest"] |= {
        "source": table if modality == "text" else folder,
        "group_pattern": None,
        "split": {"kind": "hash", "by": "sample", "salt": "few", "validation": 0.2, "test": 0.2},
    }
    content["preprocess"]["near_duplicates"] = {"across_splits": "report", "likeness": 1.0}
    made = Set(modality, type(config.datasets[NAMES[modality]]).model_validate(content), Workspace(root, "few"))
    assert counted(made.run()) == (BEGUN, BEGUN, 0)
    return made


@pytest.fixture
def few(begun: Set, tmp_path: Path) -> Set:
    """A copy of it."""
    shutil.copytree(begun.workspace.root, tmp_path / "project")
    return begun._replace(workspace=Workspace(tmp_path / "project", "few"))


def counted(found: dict[str, dict[str, Any]]) -> tuple[int, int, int]:
    """Return how many samples were decoded, featurised and taken from what there was."""
    told = found["preprocess"], found["extract"]
    return told[0]["decoded"], told[1]["featurised"], told[1]["reused"]


def test_the_same_again_decodes_and_computes_nothing(few: Set) -> None:
    hashes = [read_json(folder / FILES) for folder in (few.workspace.prepared, few.workspace.features)]
    assert counted(few.run()) == (0, 0, BEGUN)
    assert [read_json(folder / FILES) for folder in (few.workspace.prepared, few.workspace.features)] == hashes


def test_a_few_new_samples_are_all_that_is_decoded_and_computed(few: Set) -> None:
    before = few.features()
    shards = {path.name: path.stat().st_ino for path in few.workspace.prepared.glob("shard-*")}
    few.add(BEGUN, 2)
    found = few.run()
    assert counted(found) == (2, 2, BEGUN)
    assert found["preprocess"]["reused"] == BEGUN
    after = few.features()
    assert len(after) == BEGUN + 2
    assert all(np.array_equal(after[name], vector) for name, vector in before.items())
    same = [path for path in few.workspace.prepared.glob("shard-*") if shards.get(path.name) == path.stat().st_ino]
    assert len(shards) - 2 <= len(same) < len(shards)


def test_what_came_in_steps_is_what_comes_at_once(few: Set) -> None:
    few.add(BEGUN, 3)
    few.run()
    steps, prepared = few.features(), read_json(few.workspace.prepared / FILES)
    for folder in (few.workspace.prepared, few.workspace.features):
        shutil.rmtree(folder)
    Store.of(few.workspace.root).path.unlink()
    assert counted(few.run()) == (BEGUN + 3, BEGUN + 3, 0)
    assert read_json(few.workspace.prepared / FILES) == prepared
    once = few.features()
    assert once.keys() == steps.keys()
    largest = max(np.abs(vector).max() for vector in once.values())
    assert all(np.abs(once[name] - steps[name]).max() < 0.02 * largest for name in once)


def test_fewer_samples_decode_and_compute_nothing(few: Set) -> None:
    if few.modality == "text":
        few.add(0, BEGUN - 3)
    else:
        for path in sorted((few.workspace.root / "source").rglob("*.*"))[:3]:
            path.unlink()
    assert counted(few.run()) == (0, 0, BEGUN - 3)
    assert len(Prepared(few.workspace.prepared)) == BEGUN - 3


def test_other_labels_and_names_decode_and_compute_nothing(few: Set) -> None:
    source = few.workspace.root / "source"
    if few.modality == "text":
        table = source / "texts.csv"
        table.write_text(table.read_text().replace("warm\n", "hot\n"))
    else:
        (source / "left").rename(source / "above")
        for path in (source / "right").iterdir():
            path.rename(path.with_stem(f"renamed-{path.stem}"))
    copies = {path.stat().st_ino for path in (few.workspace.raw / "files").rglob("*.*")}
    assert counted(few.run()) == (0, 0, BEGUN)
    assert {path.stat().st_ino for path in (few.workspace.raw / "files").rglob("*.*")} == copies
    assert "left" not in set(Prepared(few.workspace.prepared).samples["label"])


def test_another_backbone_that_reads_the_same_decodes_nothing(few: Set) -> None:
    other = few.workspace.root / "other"
    shutil.copytree(few.workspace.root / "backbone", other)
    shaken(other / "model.safetensors")
    assert counted(few.run(backbone=declared("other", other))) == (0, BEGUN, 0)
    assert counted(few.run()) == (0, 0, BEGUN)


def shaken(weights: Path) -> None:
    """Change all weights of a file a little."""
    arrays = load_file(weights)
    moved = {name: array * 0.9 for name, array in arrays.items() if array.dtype == np.float32 and array.ndim}
    save_file(arrays | moved, weights, metadata={"format": "pt"})


def test_another_preprocessing_decodes_and_computes_all(few: Set) -> None:
    changes = {"image": {"size": 64}, "text": {"tokens": 12}, "audio": {"window_seconds": 2}}[few.modality]
    assert counted(few.run(preprocess=few.params.preprocess.model_copy(update=changes))) == (BEGUN, BEGUN, 0)


def test_another_data_set_of_the_same_samples_computes_nothing(few: Set) -> None:
    twin = few._replace(workspace=Workspace(few.workspace.root, "twin"))
    assert counted(twin.run()) == (BEGUN, 0, BEGUN)


def test_a_shard_changed_on_the_disk_is_made_anew(few: Set, capsys: pytest.CaptureFixture[str]) -> None:
    hashes = read_json(few.workspace.prepared / FILES)
    shard = max(few.workspace.prepared.glob("shard-*"), key=lambda path: path.stat().st_size)
    content = bytearray(shard.read_bytes())
    content[-9] ^= 1
    shard.chmod(0o644)
    shard.write_bytes(content)
    held = len(Prepared(few.workspace.prepared).shards()[int(shard.stem[-5:])])
    assert counted(few.run()) == (held, 0, BEGUN)
    assert read_json(few.workspace.prepared / FILES) == hashes
    assert "1 of 16 shards were changed on the disk and are made anew" in capsys.readouterr().err


def test_a_store_that_lost_its_results_computes_them_again(few: Set) -> None:
    Store.of(few.workspace.root).path.unlink()
    assert counted(few.run()) == (0, BEGUN, 0)
