"""Candidates ranked: each one featurised once, its own folder, scores of train and validation rows only."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import project
import pytest
from safetensors.numpy import load_file

from flows import ranking
from tasks import config, objectives, stages
from tasks.errors import ConfigError, SourceError
from tasks.evaluation.transferability import logme
from tasks.experiments.contenders import Contender, featurise
from tasks.experiments.rank import agreement, rank
from tasks.schema import AnyDataset, Config, HeadSettings
from tasks.workspace import Workspace, file_hashes

HEAD = HeadSettings(strengths=[0.1, 1.0])
CANDIDATES = """
candidates:
  colours:
  - {backbone: tiny, layers: null}
  - {backbone: tiny, layers: 1}
  - {backbone: other, layers: null}
"""
OTHER = """
  other:
    source: {kind: folder, path: other}
    format: huggingface
    file: model.safetensors
    sha256: SHA256
    licence: Apache-2.0
candidates: {}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of texts that is ingested, prepared and featurised, with two backbones."""
    import torch
    from transformers import BertModel

    from tasks.workspace import sha256_of

    root = tmp_path_factory.mktemp("rank")
    digest = project.backbone(root / "backbone")
    shutil.copytree(root / "backbone", root / "other")
    torch.manual_seed(5)
    BertModel(BertModel.from_pretrained(root / "other").config).save_pretrained(root / "other")
    other = OTHER.replace("SHA256", sha256_of(root / "other" / "model.safetensors"))
    params = project.PARAMS.replace("SHA256", digest).replace("\ncandidates: {}\n", other)
    (root / "params.yaml").write_text(params.replace("\ncandidates: {}\n", CANDIDATES))
    project.write_texts(root / "texts" / "colours.csv", 120)
    for stage in ("ingest", "preprocess", "extract"):
        stages.run(root, stage, "colours")
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "project"))


@pytest.fixture
def loaded(root: Path) -> Config:
    return config.load(root)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stages that ran, in their order, each with the folder it wrote below."""
    ran: list[str] = []
    function = stages.function

    def counting(stage: str) -> Callable[[Any, Workspace], Path]:
        return lambda params, bench: ran.append(f"{stage} {bench.name}") or function(stage)(params, bench)  # type: ignore[func-returns-value]

    monkeypatch.setattr(stages, "function", counting)
    return ran


def contenders(loaded: Config) -> list[Contender]:
    return [Contender(loaded.backbones[one.backbone], one.layers) for one in loaded.candidates["colours"]]


def ranked(root: Path, dataset: AnyDataset, loaded: Config) -> pd.DataFrame:
    return rank(dataset, contenders(loaded), HEAD, Workspace(root, "colours"))


def with_(dataset: AnyDataset, section: str, **changes: Any) -> AnyDataset:
    changed: AnyDataset = dataset.model_copy(update={section: getattr(dataset, section).model_copy(update=changes)})
    return changed


def test_every_candidate_is_scored_best_first_and_the_current_one_is_marked(root: Path, loaded: Config) -> None:
    table = ranked(root, loaded.datasets["colours"], loaded)
    assert sorted(zip(table["backbone"], table["layers"].fillna(0), table["current"], strict=True)) == [
        ("other", 0, False), ("tiny", 0, True), ("tiny", 1, False),
    ]  # fmt: skip
    assert table["logme"].is_monotonic_decreasing and table["logme"].nunique() == 3
    assert set(table["dimensions"]) == {32}
    assert table["h_score"].between(0, 1).all() and table["probe"].between(0.5, 1).all()
    assert (table["seconds"] >= 0).all()


def test_only_what_is_not_there_is_made_and_only_once(root: Path, loaded: Config, asked: list[str]) -> None:
    dataset = loaded.datasets["colours"]
    own = file_hashes(Workspace(root, "colours").home)
    counted = Workspace(root, "colours").counters("extract")
    first = ranked(root, dataset, loaded)
    assert asked == ["extract colours/tiny-1", "preprocess colours/other", "extract colours/other"]
    again = ranked(root, dataset, loaded)
    assert len(asked) == 3
    pd.testing.assert_frame_equal(first, again)
    assert file_hashes(Workspace(root, "colours").home) == own
    assert Workspace(root, "colours").counters("extract") == counted
    rooms = root / ".local" / "rank" / "colours"
    assert {path.name for path in rooms.iterdir()} - {".tmp"} == {"tiny-1", "other"}


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ("manifest", ["preprocess colours/tiny", "extract colours/tiny", "extract colours/tiny-1",
                      "preprocess colours/other", "extract colours/other"]),
        ("preprocess", ["preprocess colours/tiny", "extract colours/tiny", "extract colours/tiny-1",
                        "preprocess colours/other", "extract colours/other"]),
        ("layers", ["extract colours/tiny"]),
        ("backbone", ["preprocess colours/other", "extract colours/other"]),
        ("batch size", []),
        ("prepared after features", ["extract colours/tiny"]),
    ],
)  # fmt: skip
def test_what_matters_makes_it_anew(
    root: Path, loaded: Config, asked: list[str], changed: str, again: list[str]
) -> None:
    import os

    dataset, workspace = loaded.datasets["colours"], Workspace(root, "colours")
    ranked(root, dataset, loaded)
    asked.clear()
    match changed:
        case "manifest":
            project.write_texts(root / "texts" / "colours.csv", 110)
            stages.run(root, "ingest", "colours")
            asked.clear()
        case "preprocess":
            dataset = with_(dataset, "preprocess", tokens=3)
        case "layers":
            dataset = with_(dataset, "extract", layers=1)
        case "backbone":
            other = loaded.backbones["other"].model_copy(update={"sha256": loaded.backbones["tiny"].sha256})
            other = other.model_copy(update={"source": loaded.backbones["tiny"].source})
            loaded = loaded.model_copy(update={"backbones": {**loaded.backbones, "other": other}})
        case "batch size":
            dataset = with_(dataset, "extract", batch_size=7)
        case "prepared after features":
            os.utime(workspace.features / "files.json", (0, 0))
    ranked(root, dataset, loaded)
    assert asked == again


def test_the_features_are_what_the_stages_make_for_that_data_set(root: Path, loaded: Config) -> None:
    """A data set that declared the candidate itself would have the same features, byte for byte."""
    dataset, workspace = loaded.datasets["colours"], Workspace(root, "colours")
    bench = featurise(dataset, Contender(loaded.backbones["other"], 1), workspace).workspace
    declared = with_(dataset, "extract", layers=1).model_copy(update={"backbone": loaded.backbones["other"]})
    for stage in ("preprocess", "extract"):
        stages.function(stage)(declared, workspace)
    assert file_hashes(workspace.prepared) == file_hashes(bench.prepared)
    assert file_hashes(workspace.features) == file_hashes(bench.features)
    found = featurise(declared, Contender(loaded.backbones["other"], 1), workspace)
    assert found.workspace == workspace


def test_the_test_split_stays_closed(root: Path, loaded: Config) -> None:
    """Other labels in the test split, even unheard-of ones, change no score."""
    dataset, workspace = loaded.datasets["colours"], Workspace(root, "colours")
    before = ranked(root, dataset, loaded)
    for folder in (workspace.prepared, root / ".local/rank/colours/other/prepared"):
        samples = pd.read_parquet(folder / "samples.parquet")
        samples.loc[samples["split"] == "test", "label"] = "never seen"
        samples.to_parquet(folder / "samples.parquet", index=False)
    manifest = pd.read_parquet(workspace.raw / "manifest.parquet")
    manifest.loc[manifest["split"] == "test", "label"] = "never seen"
    manifest.to_parquet(workspace.raw / "manifest.parquet", index=False)
    after = ranked(root, dataset, loaded)
    scores = ["backbone", "layers", "logme", "h_score", "probe"]
    pd.testing.assert_frame_equal(before[scores], after[scores])


def test_scores_are_those_of_the_train_rows(root: Path, loaded: Config) -> None:
    dataset, workspace = loaded.datasets["colours"], Workspace(root, "colours")
    row = ranked(root, dataset, loaded).query("current").iloc[0]
    samples = pd.read_parquet(workspace.prepared / "samples.parquet")
    features = load_file(workspace.features / "features.safetensors")["features"]
    train, validation = (np.flatnonzero(samples["split"] == split) for split in ("train", "validation"))
    targets = (samples["label"] == "warm").to_numpy().astype(np.int64)
    assert row["logme"] == pytest.approx(logme(features[train], targets[train], classification=True))
    learns = objectives.objective("classification")
    head = learns.fit_head(features, targets, train, validation, HEAD, dataset.seed)
    outputs = features[validation] @ head.weight.T + head.bias
    assert row["probe"] == learns.score(outputs, targets[validation], {"labels": ["cold", "warm"]})["accuracy"]


def test_values_are_ranked_without_an_h_score(root: Path, loaded: Config) -> None:
    workspace = Workspace(root, "colours")
    for file in (workspace.raw / "manifest.parquet", workspace.prepared / "samples.parquet"):
        table = pd.read_parquet(file)
        table.assign(label=(table["label"] == "warm") + 0.5).to_parquet(file, index=False)
    dataset = with_(loaded.datasets["colours"], "evaluate", metric="r2").model_copy(update={"objective": "regression"})
    row = rank(dataset, contenders(loaded)[:1], HEAD, workspace).iloc[0]
    assert np.isnan(row["h_score"]) and row["probe"] > 0.1
    samples = pd.read_parquet(workspace.prepared / "samples.parquet")
    train = np.flatnonzero(samples["split"] == "train")
    features = load_file(workspace.features / "features.safetensors")["features"][train]
    values = samples["label"].to_numpy()[train]
    assert row["logme"] == pytest.approx(logme(features, values, classification=False))


def test_agreement_is_kendalls_tau_b() -> None:
    table = pd.DataFrame({"logme": [4.0, 3.0, 2.0, 1.0], "h_score": [np.nan] * 4, "probe": [0.9, 0.8, 0.8, 0.85]})
    found = agreement(table)
    # of six pairs three are ordered alike, two differently, one is tied in the probe
    assert found["logme probe"] == pytest.approx((3 - 2) / np.sqrt(6 * 5))
    assert found["logme h_score"] is None and found["h_score probe"] is None


def test_the_command_shows_a_table_and_keeps_it(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ranking.rank(root, "colours")
    shown = capsys.readouterr().out
    told = json.loads((root / ".local/rank/colours.json").read_text())
    assert told["metric"] == "accuracy" and set(told["tau_b"]) == {"logme h_score", "logme probe", "h_score probe"}
    assert [row["backbone"] for row in told["candidates"] if row["current"]] == ["tiny"]
    lines = [line.split() for line in shown.splitlines() if line.split() and line.split()[0] in ("tiny", "other")]
    assert [line[0] for line in lines] == [row["backbone"] for row in told["candidates"]]
    assert [line[1] for line in lines if line[-1] == "current"] == ["all"]
    assert "linear probe (accuracy)" in shown and "Kendall's tau-b" in shown


def test_a_data_set_without_candidates_is_told_what_to_write(root: Path) -> None:
    content = (root / "params.yaml").read_text()
    (root / "params.yaml").write_text(content.replace(CANDIDATES, "\ncandidates: {}\n"))
    with pytest.raises(ConfigError) as error:
        ranking.rank(root, "colours")
    example = "candidates: {colours: [{backbone: tiny, layers: null}]}"
    assert str(error.value) == f"params.yaml: colours has no candidates to rank; write {example}"


def test_a_data_set_that_is_not_there_yet_is_told_how_to_get_it(root: Path) -> None:
    shutil.rmtree(root / "data" / "colours" / "raw")
    with pytest.raises(SourceError) as error:
        ranking.rank(root, "colours")
    assert str(error.value) == "colours: has no raw samples yet; run transfer run colours first"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{backbone: other, layers: null}", "{backbone: others, layers: null}",
         "candidates.colours.2.backbone: no 'others' under backbones; there are ['tiny', 'other']. Did you mean"),
        ("  colours:\n  - {", "  colour:\n  - {", "candidates.colour: no 'colour' under datasets; there are ["),
        ("{backbone: tiny, layers: 1}", "{backbone: tiny, layers: 0}", "candidates.colours.1.layers: "),
        ("{backbone: tiny, layers: 1}", "{backbone: tiny}", "candidates.colours.1.layers: is missing"),
    ],
)  # fmt: skip
def test_a_candidate_that_is_none_is_told_with_its_path(root: Path, old: str, new: str, told: str) -> None:
    content = (root / "params.yaml").read_text()
    assert old in content
    (root / "params.yaml").write_text(content.replace(old, new))
    with pytest.raises(ConfigError) as error:
        config.load(root)
    assert told in str(error.value)
