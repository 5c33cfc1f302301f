"""evaluate on a data set in miniature: scikit-learn's digits as features, a two-block BERT as the network."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import changed
from safetensors.numpy import save_file
from sklearn.datasets import load_diabetes, load_digits
from sklearn.metrics import accuracy_score, f1_score

from tasks import objectives
from tasks.errors import ConfigError, TrainingError
from tasks.evaluate import evaluate
from tasks.modalities.shards import write_shards
from tasks.objectives import Array
from tasks.records import journal
from tasks.schema import AnyDataset, Config, HeadSettings
from tasks.workspace import FILES, Workspace, read_json, write_json

SPLITS = ["train", "train", "validation", "test"]
STRONG, WEAK, TUNED = "digits-strong", "digits-weak", "digits-tuned"


def backbone(folder: Path, width: int) -> Path:
    """Write a BERT of two random blocks of `width` numbers, with a tokenizer of letters."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": width, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=16, **shape)).save_pretrained(folder)
    return folder


class Miniature:
    """The folders of a data set as the stages before evaluate leave them."""

    def __init__(self, root: Path, objective: str, features: Array, labels: "pd.Series[Any]") -> None:
        self.workspace = Workspace(root, "digits")
        self.objective, self.features = objective, features.astype(np.float32)
        self.learns = objectives.objective(objective)
        self.samples = self._samples(labels)
        self.backbone = backbone(root / "backbone", features.shape[1])
        self.write()

    def _samples(self, labels: "pd.Series[Any]") -> pd.DataFrame:
        numbers = range(len(labels))
        return pd.DataFrame({
            "id": [f"{number:064x}" for number in numbers],
            "label": labels.to_numpy(),
            "group": [f"sheet {number // 30}" for number in numbers],
            "split": [SPLITS[number % 4] for number in numbers],
            "name": [f"digits.csv row {number}" for number in numbers],
            "confidence": 1.0,
        })  # fmt: skip

    def write(self) -> None:
        """Write what the samples and features are now."""
        for folder in (self.workspace.raw, self.workspace.prepared, self.workspace.features):
            folder.mkdir(parents=True, exist_ok=True)
        self.samples.assign(path=None, text=self.samples["name"]).to_parquet(self.workspace.raw / "manifest.parquet")
        (self.workspace.raw / "refused.csv").write_text("name,reason\n")
        self.samples.to_parquet(self.workspace.prepared / "samples.parquet")
        write_json(
            self.workspace.prepared / "prepared.json",
            {"modality": "text", "objective": self.objective, "recipe": "these"},
        )
        near = {"across_splits": "report", "likeness": 0.7, "within": {"train": 0, "validation": 0, "test": 0}}
        write_json(self.workspace.prepared / "near_duplicates.json", near)
        copies = "split,name,other_split,other_name,likeness\n"
        (self.workspace.prepared / "near_duplicates.csv").write_text(copies)
        tokens = [np.array([2, 5 + row % 26, 5 + row % 7, 3], dtype=np.int32) for row in range(len(self.samples))]
        write_shards(self.workspace.prepared, [[{"tokens": one} for one in tokens]])
        ids = np.array([list(bytes.fromhex(one)) for one in self.samples["id"]], dtype=np.uint8)
        save_file({"features": self.features, "ids": ids}, self.workspace.features / "features.safetensors")

    def relabel(self, row: int, label: str) -> None:
        """Give one sample another label."""
        self.samples.loc[row, "label"] = label
        self.write()

    def rows(self, split: str) -> Array:
        return np.flatnonzero(self.samples["split"] == split)

    def train(self, name: str, strength: float, strategy: str = "head") -> None:
        """Write a model directory: the head is fitted on the features, the network's blocks are random."""
        from tasks.neural import networks

        facts = self.learns.learn(self.samples["label"].iloc[self.rows("train")])
        targets = self.learns.targets(self.samples["label"], facts)
        settings = HeadSettings(strengths=[strength])
        head = self.learns.fit_head(self.features, targets, self.rows("train"), self.rows("validation"), settings, 0)
        network = networks.build("text", self.backbone, None, None, self.learns.outputs(facts))
        network.graft(head.weight, head.bias)
        pipeline = {"training": name, "strategy": strategy, "modality": "text", "objective": self.objective}
        pipeline |= {"facts": facts, "preprocess": {"tokens": 8}, "network": {"layers": None}}
        epochs = [
            {"epoch": 0, "loss": 2.3, "accuracy": 0.1},
            {"epoch": 1, "train_loss": 2.2, "loss": 2.2, "accuracy": 0.2},
        ]
        history = {"epochs": [] if strategy == "head" else epochs, "best_epoch": len(epochs) - 1}
        with self.workspace.replacing(self.workspace.model(name)) as folder:
            network.save(folder, facts, {"tokens": 8})
            write_json(folder / "pipeline.json", pipeline)
            write_json(folder / "training.json", history)


Params = Callable[[Mapping[str, Any]], AnyDataset]


@pytest.fixture(scope="session")
def params(config: Config) -> Params:
    """Parameters of the data set `digits`, with changes."""

    def make(changes: Mapping[str, Any]) -> AnyDataset:
        settings = {
            "name": "digits",
            "evaluate.trainings": [STRONG, WEAK],
            "evaluate.bootstrap.resamples": 200,
            "evaluate.bootstrap.by": "sample",
            "evaluate.errors_shown": 3,
            "evaluate.explained": 3,
            "extract.precision": "float32",
        }
        result: AnyDataset = changed(config.datasets["movie-reviews"], {**settings, **changes})
        return result

    return make


def four_digits(root: Path) -> Miniature:
    """720 real pictures of four digits; one strong head and one so regularised that it is weak."""
    data = load_digits(n_class=4)
    miniature = Miniature(root, "classification", data.data, pd.Series(data.target.astype(str)))
    miniature.train(STRONG, strength=0.1)
    miniature.train(WEAK, strength=1e-6)
    return miniature


@pytest.fixture
def digits(root: Path) -> Miniature:
    return four_digits(root)


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory, params: Params) -> Miniature:
    """The digits after their first evaluation; only to be read."""
    miniature = four_digits(tmp_path_factory.mktemp("evaluated"))
    assert evaluate(params({}), miniature.workspace) == miniature.workspace.evaluation
    return miniature


def metrics(miniature: Miniature) -> Any:
    return read_json(miniature.workspace.evaluation / "metrics.json")


def test_frozen_trainings_are_measured_from_their_cached_features(evaluated: Miniature) -> None:
    from tasks.neural import networks

    head = networks.load(evaluated.workspace.model(STRONG)).head
    rows = evaluated.rows("test")
    weight, bias = head.weight.detach().numpy(), head.bias.detach().numpy()
    answer = (evaluated.features[rows] @ weight.T + bias).argmax(axis=1)
    truth = evaluated.samples["label"].iloc[rows].astype(int)
    test = metrics(evaluated)["trainings"][STRONG]["test"]
    assert test["accuracy"]["value"] == pytest.approx(accuracy_score(truth, answer), abs=1e-6)
    assert test["accuracy"]["value"] > 0.9
    assert test["macro_f1"]["value"] == pytest.approx(f1_score(truth, answer, average="macro"), abs=1e-6)
    assert set(test["classes"]) == set("0123")


def test_trainings_stand_side_by_side_with_the_frozen_head_and_the_baseline(evaluated: Miniature) -> None:
    found = metrics(evaluated)
    assert found["best"] == STRONG and found["metric"] == "accuracy"
    assert found["samples"] == {"train": 360, "validation": 180, "test": 180}
    assert found["trainings"][STRONG]["gain_over_head"] is None
    assert found["trainings"][STRONG]["gain_over_baseline"]["low"] > 0.5
    assert found["trainings"][WEAK]["gain_over_head"]["high"] < 0
    assert found["baseline"]["test"]["accuracy"]["value"] < 0.4


def test_predictions_errors_and_pictures_are_written(evaluated: Miniature) -> None:
    folder = evaluated.workspace.evaluation
    told = pd.read_parquet(folder / "predictions" / f"{WEAK}.parquet")
    outputs = [f"output_{k}" for k in range(4)]
    assert list(told) == ["id", "split", "name", "label", *outputs, "answer", "confidence"]
    assert told["split"].value_counts().to_dict() == {"validation": 180, "test": 180}
    test = told[told["split"] == "test"]
    accuracy = metrics(evaluated)["trainings"][WEAK]["test"]["accuracy"]["value"]
    assert (test["label"] == test["answer"]).mean() == pytest.approx(accuracy, abs=1e-6)
    pictures = {f"{name}.{kind}.png" for name in (STRONG, WEAK) for kind in ("confusion", "f1", "reliability")}
    assert {path.name for path in (folder / "plots").iterdir()} == pictures | {"comparison.png"}


def test_the_worst_errors_of_the_best_training_are_named(evaluated: Miniature) -> None:
    errors = pd.read_csv(evaluated.workspace.evaluation / "errors.csv", dtype=str)
    assert list(errors) == ["name", "id", "truth", "answer", "confidence"] and 0 < len(errors) <= 3
    known = evaluated.samples.set_index("name").loc[errors["name"]]
    assert known["label"].tolist() == errors["truth"].tolist()
    assert known["split"].eq("test").all()


def test_leaks_are_looked_for_and_the_found_are_told(evaluated: Miniature, digits: Miniature, params: Params) -> None:
    looked = read_json(evaluated.workspace.evaluation / "leaks.json")["looked_for"]
    assert [one["check"] for one in looked] == [
        "same bytes in several splits",
        "near duplicates across splits",
        "near duplicates in one split",
        "test told from train",
        "validation told from train",
        "label told by the names",
        "label told by the running number",
        "label told by the length of the text",
        "label named in the text",
        "names that look like groups",
    ]
    assert {one["verdict"] for one in looked} == {"none"}
    assert evaluated.workspace.counters("evaluate")["warnings"] == []
    digits.samples["name"] = [f"{label}-{name}.png" for label, name in digits.samples[["label", "id"]].to_numpy()]
    digits.samples["name"] = digits.samples["name"].str.replace("0-", "nought-").str.replace("1-", "one-")
    digits.features[digits.rows("test")] += 3
    digits.write()
    evaluate(params({}), digits.workspace)
    told = digits.workspace.counters("evaluate")["warnings"]
    assert [line.split(":")[0] for line in told] == [
        "test told from train",
        "label told by the names",
        "label told by the length of the text",  # the text is the name
        "label named in the text",
    ]


def test_the_same_again_gives_the_same_bytes_and_counts_the_opening(
    evaluated: Miniature, digits: Miniature, params: Params
) -> None:
    digits.workspace.record("test-openings", {"openings": 6})
    evaluate(params({}), digits.workspace)
    assert read_json(digits.workspace.evaluation / FILES) == read_json(evaluated.workspace.evaluation / FILES)
    counted = [one.workspace.counters("evaluate") for one in (evaluated, digits)]
    assert [one["test_openings"] for one in counted] == [1, 7]
    assert digits.workspace.counters("test-openings") == {"openings": 7}
    assert (counted[0]["reused"], counted[0]["predicted"]) == (720, 0)
    assert counted[0]["said"].startswith(f"{STRONG}: accuracy 9")


def test_each_training_s_run_remembers_its_metrics_and_pictures(evaluated: Miniature) -> None:
    run = journal.run_of(evaluated.workspace, WEAK, evaluated.workspace.model(WEAK))
    (told,) = [event["values"] for event in run.of_kind("metrics")]
    accuracy = metrics(evaluated)["trainings"][WEAK]["test"]["accuracy"]
    assert told["test_accuracy"] == pytest.approx(accuracy["value"], abs=1e-6)
    assert told["test_accuracy_low"] == pytest.approx(accuracy["low"], abs=1e-6)
    kept = {path.name for path in (run.folder / "files" / "evaluation").iterdir()}
    assert kept == {f"{WEAK}.{kind}.png" for kind in ("confusion", "f1", "reliability")}


def test_a_tuned_network_answers_by_itself_and_shows_its_learning_curve(digits: Miniature, params: Params) -> None:
    import torch

    from tasks.neural import networks

    digits.train(TUNED, strength=0.1, strategy="partial")
    evaluate(params({"evaluate.trainings": [TUNED, STRONG]}), digits.workspace)
    network = networks.load(digits.workspace.model(TUNED)).eval()
    row = int(digits.rows("test")[0])
    tokens = torch.tensor([[2, 5 + row % 26, 5 + row % 7, 3]])
    with torch.no_grad():
        expected = network(input_ids=tokens, attention_mask=torch.ones_like(tokens))[0]
    told = pd.read_parquet(digits.workspace.evaluation / "predictions" / f"{TUNED}.parquet")
    first = told[told["id"] == digits.samples["id"][row]].filter(like="output_").to_numpy()[0]
    assert first == pytest.approx(expected.numpy(), abs=1e-3)
    assert (digits.workspace.evaluation / "plots" / f"{TUNED}.learning_curve.png").exists()
    counted = digits.workspace.counters("evaluate")
    assert (counted["reused"], counted["predicted"]) == (360, 360)
    assert metrics(digits)["trainings"][TUNED]["gain_over_head"]["value"] < 0


def test_evaluating_again_asks_no_network(digits: Miniature, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.explaining import text
    from tasks.neural import recall

    digits.train(TUNED, strength=0.1, strategy="partial")
    declared, hashes = params({"evaluate.trainings": [TUNED]}), []
    for asked in (360, 0):
        evaluate(declared, digits.workspace)
        assert digits.workspace.counters("evaluate")["predicted"] == asked
        hashes.append(read_json(digits.workspace.evaluation / FILES))
        for module, name in ((recall, "compute"), (text, "explain")):
            monkeypatch.delattr(module, name, raising=False)
    assert hashes[0] == hashes[1]


def test_groups_are_resampled_whole_if_asked_for(evaluated: Miniature, digits: Miniature, params: Params) -> None:
    evaluate(params({"evaluate.bootstrap.by": "group", "evaluate.trainings": [WEAK]}), digits.workspace)
    by_sample, by_group = (metrics(one)["trainings"][WEAK]["test"]["accuracy"] for one in (evaluated, digits))
    assert by_sample["value"] == by_group["value"]
    assert by_sample != by_group


def test_groups_that_do_not_exist_are_a_fault_of_the_parameters(digits: Miniature, params: Params) -> None:
    digits.samples["group"] = None
    digits.write()
    with pytest.raises(ConfigError, match=r"datasets\.digits\.evaluate\.bootstrap\.by: group, but no sample"):
        evaluate(params({"evaluate.bootstrap.by": "group"}), digits.workspace)


def test_a_training_without_a_model_is_named_and_the_old_evaluation_stays(digits: Miniature, params: Params) -> None:
    digits.workspace.evaluation.mkdir()
    (digits.workspace.evaluation / "metrics.json").write_text("{}")
    with pytest.raises(TrainingError, match="never-trained: there is no model in data/digits/models"):
        evaluate(params({"evaluate.trainings": [STRONG, "never-trained"]}), digits.workspace)
    assert metrics(digits) == {}


def test_a_label_that_only_the_test_split_has_is_named(digits: Miniature, params: Params) -> None:
    digits.relabel(int(digits.rows("test")[0]), "ten")
    with pytest.raises(TrainingError, match="'ten'"):
        evaluate(params({}), digits.workspace)


def test_a_model_that_learnt_other_labels_is_refused(digits: Miniature, params: Params) -> None:
    digits.relabel(int(digits.rows("train")[0]), "ten")
    with pytest.raises(TrainingError, match=f"{STRONG}: its model learnt other labels"):
        evaluate(params({}), digits.workspace)


def test_features_of_other_samples_are_refused(digits: Miniature, params: Params) -> None:
    digits.samples["id"] = digits.samples["id"].str.replace("0", "f")
    digits.samples.to_parquet(digits.workspace.prepared / "samples.parquet")
    with pytest.raises(TrainingError, match="features are those of other samples"):
        evaluate(params({}), digits.workspace)


def test_outputs_that_are_no_numbers_are_refused(digits: Miniature, params: Params) -> None:
    digits.features[int(digits.rows("test")[0])] = np.nan
    digits.write()
    with pytest.raises(TrainingError, match=f"{STRONG}: its outputs are no finite numbers"):
        evaluate(params({}), digits.workspace)


def test_values_are_evaluated_too(root: Path, params: Params) -> None:
    data = load_diabetes()
    miniature = Miniature(root, "regression", data.data, pd.Series(data.target))
    miniature.train(STRONG, strength=10.0)
    changes = {"objective": "regression", "evaluate.trainings": [STRONG], "evaluate.metric": "r2"}
    evaluate(params(changes), miniature.workspace)
    folder = miniature.workspace.evaluation
    found = read_json(folder / "metrics.json")
    assert found["trainings"][STRONG]["test"]["r2"]["value"] > 0.3
    assert found["trainings"][STRONG]["gain_over_baseline"]["low"] > 0
    assert list(pd.read_csv(folder / "errors.csv")) == ["name", "id", "truth", "answer", "deviation"]
    pictures = {"comparison.png", f"{STRONG}.scatter.png", f"{STRONG}.residuals.png"}
    assert {path.name for path in (folder / "plots").iterdir()} == pictures
