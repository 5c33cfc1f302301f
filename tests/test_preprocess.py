"""Stage preprocess: rows in = rows used + rows refused, the same bytes every time, nothing half done."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from samples import audio_backbone, encoded, image_backbone, picture, recording, text_backbone, tone

from tasks import modalities, parallel
from tasks.errors import SampleShareError, SourceError
from tasks.modalities.shards import Prepared
from tasks.neural import backbones
from tasks.preprocess import preprocess
from tasks.schema import AnyDataset, Config
from tasks.workspace import FILES, Workspace

Make = Callable[[dict[str, bytes | str]], Workspace]
BACKBONES = {"image": image_backbone, "text": text_backbone, "audio": audio_backbone}
SMALL = {"image": {"size": 16}, "text": {"tokens": 6}, "audio": {}}
NAMES = {"image": "solar-cells", "text": "movie-reviews", "audio": "mandarin-tones"}


@pytest.fixture
def dataset(tiny_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AnyDataset]:
    """Make parameters of a modality's data set, with a backbone of nothing but its declarations."""

    def make(modality: str, **changes: Any) -> AnyDataset:
        directory = BACKBONES[modality](tmp_path / "backbone")
        monkeypatch.setattr(backbones, "fetch", lambda backbone, root: directory)
        settings = {"shard": 4, "refused_share": 0.5, **SMALL[modality], **changes}
        made: AnyDataset = tiny_dataset(
            NAMES[modality], {f"preprocess.{key}": value for key, value in settings.items()}
        )
        return made

    return make


@pytest.fixture
def raw(root: Path) -> Make:
    """Write a manifest as ingest does, of files (bytes) and texts by name."""

    def make(contents: dict[str, bytes | str]) -> Workspace:
        workspace = Workspace(root, "little")
        shutil.rmtree(workspace.raw, ignore_errors=True)
        rows = [_row(workspace.raw, name, content, number) for number, (name, content) in enumerate(contents.items())]
        pd.DataFrame(rows).sort_values("id").to_parquet(workspace.raw / "manifest.parquet", index=False)
        return workspace

    return make


def _row(folder: Path, name: str, content: bytes | str, number: int) -> dict[str, Any]:
    row = {"path": None, "text": None, "label": "ab"[number % 2], "group": None, "split": "train", "name": name}
    row["confidence"] = 1 / (number + 1)
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        return {**row, "id": hashlib.sha256(content.encode()).hexdigest(), "text": content}
    (folder / "files").mkdir(exist_ok=True)
    (folder / "files" / name).write_bytes(content)
    return {**row, "id": hashlib.sha256(content).hexdigest(), "path": f"files/{name}"}


def pictures(count: int) -> dict[str, bytes | str]:
    return {f"{number}.png": encoded(picture(seed=number), "PNG") for number in range(count)}


def test_pictures_become_shards(dataset: Any, raw: Make) -> None:
    workspace = raw(pictures(10))
    params = dataset("image")
    assert preprocess(params, workspace) == workspace.prepared
    prepared = Prepared(workspace.prepared)
    assert len(prepared) == 10
    assert {path.name for path in workspace.prepared.glob("shard-*")} <= {
        f"shard-0000{number}.safetensors" for number in range(4)
    }
    manifest = pd.read_parquet(workspace.raw / "manifest.parquet")
    assert prepared.samples["id"].tolist() == manifest["id"].tolist() == sorted(manifest["id"])
    for row, name in enumerate(prepared.samples["name"]):
        expected = picture(seed=int(name.removesuffix(".png"))).resize((16, 16), 3)
        assert np.array_equal(prepared[row]["pixels"], np.asarray(expected))
    assert workspace.counters("preprocess") == {
        "read": 10,
        "decoded": 10,
        "reused": 0,
        "refused": 0,
        "several": 0,
        "several_share": 0,
    }


def test_what_predictions_must_know_is_written_down(dataset: Any, raw: Make, config: Config) -> None:
    workspace = raw(pictures(2))
    preprocess(dataset("image", pixel_limit=5000), workspace)
    about = Prepared(workspace.prepared).about
    assert about["modality"] == "image"
    assert about["objective"] == "classification"
    assert about["preprocess"] == {"size": 16, "pixel_limit": 5000}
    declared = config.datasets["solar-cells"].backbone
    assert about["backbone"]["sha256"] == declared.sha256
    assert "licence" not in about["backbone"]


def test_texts_become_tokens_and_the_truncated_are_counted(dataset: Any, raw: Make) -> None:
    workspace = raw({"1": "a fine film", "2": "it was " * 9, "3": "poor\r\nfilm", "4": "the end"})
    preprocess(dataset("text"), workspace)
    prepared = Prepared(workspace.prepared)
    by_name = dict(zip(prepared.samples["name"], prepared, strict=True))
    assert {name: sample["tokens"].size for name, sample in by_name.items()} == {"1": 5, "2": 6, "3": 4, "4": 4}
    counted = workspace.counters("preprocess")
    assert counted == {"read": 4, "decoded": 4, "reused": 0, "refused": 0, "truncated": 1, "truncated_share": 0.25} | {
        "unknown": 0,
        "unknown_share": 0,
    }


def test_recordings_become_spectrograms_and_the_cut_are_counted(dataset: Any, raw: Make) -> None:
    workspace = raw({f"{n}.wav": recording(tone(100.0 * n, seconds=0.4 * n)) for n in range(1, 5)})
    preprocess(dataset("audio"), workspace)
    assert {sample["mel"].shape for sample in Prepared(workspace.prepared)} == {(80, 100)}
    assert workspace.counters("preprocess")["cut"] == 2


def test_unusable_samples_are_named_and_the_rest_goes_on(dataset: Any, raw: Make) -> None:
    good = pictures(5)
    broken = {"broken.png": good["0.png"][:-20], "notes.png": b"no image", "gone.png": b"1", "other.png": b"2"}
    workspace = raw(good | broken)
    (workspace.raw / "files" / "gone.png").unlink()
    (workspace.raw / "files" / "other.png").write_bytes(b"3")
    preprocess(dataset("image"), workspace)
    prepared = Prepared(workspace.prepared)
    assert sorted(prepared.samples["name"]) == sorted(good)
    assert len(prepared) == 5
    refused = pd.read_csv(workspace.prepared / "refused.csv").set_index("name")["reason"]
    assert refused["broken.png"].startswith("cannot be decoded")
    assert refused["notes.png"].startswith("is none of PNG")
    assert refused["gone.png"] == "its file raw/files/gone.png cannot be read (No such file or directory)"
    assert refused["other.png"] == "its file raw/files/other.png was changed after ingest"
    counted = {"read": 9, "decoded": 5, "reused": 0, "refused": 4, "several": 0, "several_share": 0}
    assert workspace.counters("preprocess") == counted


def test_every_sample_keeps_what_ingest_said_of_it(dataset: Any, raw: Make) -> None:
    workspace = raw(pictures(3) | {"bad.png": b"no image"} | {"last.png": encoded(picture(seed=9), "PNG")})
    preprocess(dataset("image"), workspace)
    samples = Prepared(workspace.prepared).samples
    assert list(samples.columns) == ["id", "label", "group", "split", "name", "confidence"]
    assert samples["confidence"].dtype == "float64"
    kept = samples.set_index("name")["confidence"].to_dict()
    assert kept == {"0.png": 1, "1.png": 1 / 2, "2.png": 1 / 3, "last.png": 1 / 5}


def test_too_many_unusable_samples_stop_the_stage(dataset: Any, raw: Make) -> None:
    workspace = raw(pictures(4))
    preprocess(dataset("image"), workspace)
    before = json.loads((workspace.prepared / FILES).read_text())
    raw(pictures(4) | {"bad.png": b"no image"})
    with pytest.raises(SampleShareError) as stopped:
        preprocess(dataset("image", refused_share=0.1), workspace)
    message = str(stopped.value)
    assert message.startswith("little: 1 of 5 samples are refused, preprocess.refused_share is 0.1: bad.png (is none")
    assert "\n" not in message
    assert message.endswith("; see data/little/refused.csv, mend them and run again")
    assert "preprocess,bad.png," in (workspace.home / "refused.csv").read_text()
    assert json.loads((workspace.prepared / FILES).read_text()) == before


def test_a_data_set_without_a_usable_sample_stops_the_stage(dataset: Any, raw: Make) -> None:
    workspace = raw({"bad.png": b"no image"})
    with pytest.raises(SampleShareError, match="1 of 1 samples"):
        preprocess(dataset("image", refused_share=1.0), workspace)


def test_without_raw_data_it_says_what_to_do(dataset: Any, root: Path) -> None:
    with pytest.raises(SourceError, match=r"manifest\.parquet: there is no such file; run ingest first"):
        preprocess(dataset("image"), Workspace(root, "little"))


@pytest.mark.parametrize("modality", ["image", "text", "audio"])
def test_the_bytes_do_not_depend_on_the_threads(
    dataset: Any, raw: Make, monkeypatch: pytest.MonkeyPatch, modality: str
) -> None:
    contents = {
        "image": pictures(20),
        "text": {str(number): "a fine film " * number for number in range(1, 20)},
        "audio": {f"{n}.wav": recording(tone(50.0 * n, 0.3, 44_100), 44_100) for n in range(1, 20)},
    }[modality]
    workspace = raw(contents)
    monkeypatch.setattr(modalities.modality(modality), "CHUNK", 3)
    hashes = []
    for workers in (1, 4):
        monkeypatch.setattr(parallel, "cores", lambda count=workers: count)
        preprocess(dataset(modality), workspace)
        hashes.append(json.loads((workspace.prepared / FILES).read_text()))
    assert hashes[0] == hashes[1]


def test_work_is_begun_only_a_little_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "cores", lambda: 2)
    begun: list[int] = []
    results = parallel.in_order(lambda item: begun.append(item) or item, iter(range(100)))
    assert next(results) == 0
    assert len(begun) <= 1 + 2 * parallel.AHEAD
    assert list(results) == list(range(1, 100))


def test_an_error_in_a_thread_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(item: int) -> float:
        return 1 / (3 - item)

    with pytest.raises(ZeroDivisionError):
        list(parallel.in_order(work, range(10)))


@pytest.mark.integration
@pytest.mark.parametrize("modality", ["image", "text", "audio"])
def test_real_samples(modality: str, config: Config, small_raw: Any) -> None:
    workspace = small_raw(NAMES[modality], 10)
    preprocess(config.datasets[NAMES[modality]], workspace)
    prepared = Prepared(workspace.prepared)
    assert len(prepared) == 30
    assert len(prepared.rows("test")) == 10
    shapes = {"image": ("pixels", (224, 224, 3)), "text": ("tokens", None), "audio": ("mel", (80, 100))}
    name, shape = shapes[modality]
    assert all(sample[name].shape == shape or shape is None for sample in prepared)
