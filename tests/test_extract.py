"""The stage extract: features of every prepared sample, as exact as declared, the same bytes each time."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
from safetensors.numpy import load_file

from tasks import extract as stage
from tasks.extract import extract
from tasks.modalities.shards import write_shards
from tasks.neural import networks
from tasks.schema import AnyDataset, Backbone, Config, LocalSource
from tasks.store import Store
from tasks.workspace import FILES, Workspace, read_json, sha256_of, write_json

Dataset = Callable[..., AnyDataset]
SAMPLES = 11
TOLERANCE = {"float32": 1e-5, "bfloat16": 2e-2}
"""How far a feature may be moved by who else is in the batch, in lengths of its own (see tasks.neural.recall)."""


@pytest.fixture
def params(tiny_dataset: Dataset, root: Path) -> Callable[[dict[str, Any]], AnyDataset]:
    """Parameters of a data set of recordings, heard by a tiny Whisper cut to two of its three layers."""
    weights = tiny.write("whisper", root / "tiny") / "model.safetensors"
    source = LocalSource(kind="folder", path=Path("tiny"))
    told = {"name": "tiny", "source": source, "format": "huggingface", "file": weights.name, "licence": "MIT"}
    backbone = Backbone(sha256=sha256_of(weights), **told)  # type: ignore[arg-type]
    declared = {"backbone": backbone, "extract.layers": 2, "extract.batch_size": 4, "extract.precision": "float32"}
    return lambda changes: tiny_dataset("mandarin-tones", {**declared, **changes})


@pytest.fixture
def workspace(root: Path) -> Workspace:
    """A prepared data set of random spectrograms."""
    random, made = np.random.default_rng(0), Workspace(root, "mandarin-tones")
    made.prepared.mkdir(parents=True)
    mels = [{"mel": random.normal(size=(80, 100)).astype(np.float32)} for _ in range(SAMPLES)]
    write_shards(made.prepared, [mels[:6], mels[6:]])
    names = sorted(hashlib.sha256(bytes([number])).hexdigest() for number in range(SAMPLES))
    columns = {"id": names, "label": "1", "group": None, "split": "train", "name": names, "confidence": 1.0}
    pd.DataFrame(columns).to_parquet(made.prepared / "samples.parquet")
    write_json(made.prepared / "prepared.json", {"preprocess": {"window_seconds": 1}, "recipe": "random"})
    return made


def test_every_prepared_sample_has_its_features(params: Any, workspace: Workspace) -> None:
    assert extract(params({}), workspace) == workspace.features
    stored = load_file(workspace.features / "features.safetensors")
    assert stored["features"].dtype == np.float32 and stored["features"].shape == (SAMPLES, 16)
    ids = pd.read_parquet(workspace.prepared / "samples.parquet")["id"].tolist()
    assert [bytes(row).hex() for row in stored["ids"]] == ids
    about = read_json(workspace.features / "features.json")
    assert about == {"network": {"layers": 2}, "precision": "float32", "dimensions": 16}
    assert workspace.counters("extract") == {"featurised": SAMPLES, "reused": 0}


def test_a_head_on_the_features_is_the_network_with_that_head(params: Any, workspace: Workspace, root: Path) -> None:
    import torch

    from tasks.modalities.shards import Prepared

    extract(params({}), workspace)
    features = load_file(workspace.features / "features.safetensors")["features"]
    weight, bias = tiny.head(16)
    network = networks.build("audio", root / "tiny", 2, 1, 3).eval()
    network.graft(weight, bias)
    mels = np.stack([sample["mel"] for sample in Prepared(workspace.prepared)])
    with torch.no_grad():
        outputs = network(input_features=torch.from_numpy(mels)).numpy()
    assert np.allclose(features @ weight.T + bias, outputs, atol=1e-5)


def test_the_same_again_gives_the_same_bytes(params: Any, workspace: Workspace) -> None:
    hashes = []
    for _ in range(2):
        Store.of(workspace.root).path.unlink(missing_ok=True)
        extract(params({}), workspace)
        hashes.append(read_json(workspace.features / FILES))
    assert hashes[0] == hashes[1]


def test_bfloat16_is_used_where_it_is_good_enough(params: Any, workspace: Workspace) -> None:
    extract(params({"extract.precision": "bfloat16"}), workspace)
    assert read_json(workspace.features / "features.json")["precision"] == "bfloat16"


def test_bfloat16_that_loses_too_much_is_given_up_and_told(
    params: Any, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stage, "LIKENESS", 1.1)
    extract(params({"extract.precision": "bfloat16"}), workspace)
    assert read_json(workspace.features / "features.json")["precision"] == "float32"
    assert "float32 instead of bfloat16: of 4 samples the features' mean cosine is " in capsys.readouterr().err


def test_likeness_is_the_mean_cosine() -> None:
    exact = np.array([[1.0, 0.0], [0.0, 2.0]], np.float32)
    assert stage.likeness(exact, 3 * exact) == pytest.approx(1)
    assert stage.likeness(exact, exact[:, ::-1]) == pytest.approx(0)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("name", "rows", "least"), [("mandarin-tones", 250, 0.93), ("movie-reviews", 120, 0.65), ("solar-cells", 24, 0.6)]
)
def test_real_features_tell_the_labels_apart(
    small_raw: Callable[[str, int], Workspace], config: Config, name: str, rows: int, least: float
) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from tasks.preprocess import preprocess

    workspace, declared = small_raw(name, rows), config.datasets[name]
    preprocess(declared, workspace)
    extract(declared, workspace)
    features = load_file(workspace.features / "features.safetensors")["features"]
    samples = pd.read_parquet(workspace.prepared / "samples.parquet")
    test, labels = samples["split"] == "test", samples["label"].to_numpy().astype(str)
    learnt = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01 if name != "mandarin-tones" else 1.0, max_iter=500)
    )
    assert learnt.fit(features[~test], labels[~test]).score(features[test], labels[test]) > least


@pytest.mark.integration
@pytest.mark.parametrize(("name", "rows"), [("mandarin-tones", 120), ("movie-reviews", 120), ("solar-cells", 40)])
def test_what_came_in_steps_is_answered_as_what_came_at_once(
    small_raw: Callable[[str, int], Workspace], config: Config, name: str, rows: int
) -> None:
    """Whoever else is in the batch moves a feature by rounding, within TOLERANCE, and flips no prediction."""
    from sklearn.linear_model import LogisticRegression

    from tasks.preprocess import preprocess

    workspace, declared = small_raw(name, rows), config.datasets[name]
    manifest = workspace.raw / "manifest.parquet"
    whole = pd.read_parquet(manifest)

    def features(table: pd.DataFrame) -> "np.ndarray[Any, Any]":
        table.to_parquet(manifest, index=False)
        preprocess(declared, workspace)
        extract(declared, workspace)
        return load_file(workspace.features / "features.safetensors")["features"]

    Store.of(workspace.root).path.unlink(missing_ok=True)
    once = features(whole)
    Store.of(workspace.root).path.unlink()
    new = np.arange(len(whole)) % 20 == 7
    features(whole[~new])
    steps = features(whole)
    assert workspace.counters("extract")["featurised"] == new.sum()
    moved = np.linalg.norm(steps - once, axis=1) / np.linalg.norm(once, axis=1)
    assert moved.max() < TOLERANCE[read_json(workspace.features / "features.json")["precision"]]
    samples = pd.read_parquet(workspace.prepared / "samples.parquet")
    test, labels = samples["split"] == "test", samples["label"].to_numpy().astype(str)
    learnt = LogisticRegression(max_iter=500).fit(once[~test], labels[~test])
    assert (learnt.predict(once[test]) == learnt.predict(steps[test])).all()
