"""Classification: labels to class indices, the head, metrics that say null where they cannot tell."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from tasks.errors import TrainingError
from tasks.evaluation import bootstrap, plots
from tasks.objectives import Facts, classification
from tasks.objectives import classification_measures as measures
from tasks.schema import CrossEntropy, HeadSettings

AB: Facts = {"labels": ["a", "b"]}
ABC: Facts = {"labels": ["a", "b", "c"]}


def one_hot(answers: list[int], classes: int, logit: float = 4.0) -> np.ndarray:
    """Logits that answer so."""
    return (logit * np.eye(classes)[answers]).astype(np.float32)


def measured(outputs: np.ndarray, targets: np.ndarray, facts: Facts) -> dict[str, Any]:
    weights = bootstrap.by_sample(len(targets), 200, seed=1)
    return measures.measure(outputs, targets, facts, measures.resampled(outputs, targets, facts, weights), 0.95)


def real(load: Any) -> tuple[np.ndarray, np.ndarray, Facts, np.ndarray, np.ndarray]:
    """Features, targets, facts, train rows and validation rows of a data set that scikit-learn carries."""
    data = load()
    labels = pd.Series(data.target_names[data.target].astype(str))
    facts = classification.learn(labels)
    rows = np.random.default_rng(0).permutation(len(labels))
    half = len(rows) // 2
    features = data.data.astype(np.float32)
    return features, classification.targets(labels, facts), facts, rows[:half], rows[half:]


def test_labels_are_sorted_and_told_as_their_place() -> None:
    facts = classification.learn(pd.Series(["dog", "cat", "dog"]))
    assert facts == {"labels": ["cat", "dog"]}
    assert classification.outputs(facts) == 2
    found = classification.targets(pd.Series(["cat", "dog"], index=[7, 3]), facts)
    assert found.tolist() == [0, 1] and found.dtype == np.int64


def test_a_single_class_cannot_be_learnt() -> None:
    with pytest.raises(TrainingError, match=r"one class only.*'cat'"):
        classification.learn(pd.Series(["cat", "cat"]))


def test_a_label_never_learnt_is_named() -> None:
    with pytest.raises(TrainingError, match="'bird', 'cow'"):
        classification.targets(pd.Series(["a", "cow", "bird"]), AB)


@pytest.mark.parametrize("load", [load_digits, load_breast_cancer])
def test_the_head_answers_as_scikit_learn_does_on_features_as_they_come(load: Any) -> None:
    features, targets, facts, train, validation = real(load)
    head = classification.fit_head(features, targets, train, validation, HeadSettings(strengths=[0.1]), 0)
    scaler = StandardScaler().fit(features[train])
    theirs = LogisticRegression(C=0.1, max_iter=1000).fit(scaler.transform(features[train]), targets[train])
    outputs = features[validation] @ head.weight.T + head.bias
    assert head.weight.shape == (classification.outputs(facts), features.shape[1])
    assert head.weight.dtype == head.bias.dtype == outputs.dtype == np.float32
    probabilities = np.exp(classification.log_probabilities(outputs))
    assert probabilities == pytest.approx(theirs.predict_proba(scaler.transform(features[validation])), abs=2e-3)


def test_the_strength_is_chosen_by_validation_loss() -> None:
    features, targets, facts, train, validation = real(load_digits)
    head = classification.fit_head(features, targets, train, validation, HeadSettings(strengths=[10.0, 0.001, 1.0]), 0)
    tried = {one["strength"]: one["validation_loss"] for one in head.report["tried"]}
    assert list(tried) == [0.001, 1.0, 10.0]
    assert head.report["strength"] == min(tried, key=tried.__getitem__) == 1.0
    assert head.report["edge"] is None
    outputs = features[validation] @ head.weight.T + head.bias
    assert classification.score(outputs, targets[validation], facts)["loss"] == pytest.approx(tried[1.0], rel=1e-4)
    assert classification.score(outputs, targets[validation], facts)["accuracy"] > 0.95


@pytest.mark.parametrize(("strengths", "edge"), [([0.001, 0.01], "highest"), ([10.0, 1000.0], "lowest"), ([0.1], None)])
def test_a_best_strength_at_the_end_of_the_list_is_reported(strengths: list[float], edge: str | None) -> None:
    features, targets, _, train, validation = real(load_digits)
    head = classification.fit_head(features, targets, train, validation, HeadSettings(strengths=strengths), 0)
    assert head.report["edge"] == edge


def test_a_head_that_did_not_converge_says_so_in_its_report_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.objectives.heads.ITERATIONS", 2)
    features, targets, _, train, validation = real(load_digits)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        head = classification.fit_head(features, targets, train, validation, HeadSettings(strengths=[1.0]), 0)
    assert head.report["tried"][0]["converged"] is False


def test_a_feature_that_never_changes_does_no_harm() -> None:
    features, targets, _, train, validation = real(load_breast_cancer)
    features[:, 0] = 3.7
    head = classification.fit_head(features, targets, train, validation, HeadSettings(strengths=[1.0]), 0)
    assert np.isfinite(head.weight).all() and (head.weight[:, 0] == 0).all()


def test_a_split_without_samples_is_refused() -> None:
    features, targets, _, train, _ = real(load_digits)
    with pytest.raises(TrainingError, match="validation split holds no samples"):
        classification.fit_head(features, targets, train, train[:0], HeadSettings(strengths=[1.0]), 0)


def test_the_loss_that_is_trained_is_the_loss_that_is_scored() -> None:
    outputs = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    targets = np.arange(20) % 3
    plain = CrossEntropy(kind="cross_entropy", label_smoothing=0.0, focal=0.0, class_weights=False, unsure="ignore")
    criterion = classification.criterion(plain, targets, ABC)
    losses = criterion(torch.from_numpy(outputs), torch.from_numpy(targets), torch.ones(20))
    assert losses.shape == (20,) and losses.dtype == torch.float32
    assert classification.score(outputs, targets, ABC)["loss"] == pytest.approx(losses.mean().item(), rel=1e-5)


def test_metrics_by_hand() -> None:
    targets, outputs = np.array([0, 0, 0, 1]), one_hot([0, 0, 1, 1], 2)
    found = classification.score(outputs, targets, AB)
    assert found["accuracy"] == 0.75
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert found["roc_auc"] == pytest.approx((2 + 0.5) / 3)
    result = measured(outputs, targets, AB)
    assert result["confusion"] == {"labels": ["a", "b"], "counts": [[2, 1], [0, 1]]}
    assert result["classes"]["a"]["precision"]["value"] == 1.0
    assert result["classes"]["a"]["recall"]["value"] == pytest.approx(2 / 3)
    assert result["classes"]["b"]["precision"]["value"] == 0.5
    assert [result["classes"][label]["support"] for label in "ab"] == [3, 1]


def test_values_stand_within_their_intervals_and_equal_the_scores() -> None:
    features, targets, facts, train, validation = real(load_digits)
    head = classification.fit_head(features, targets, train, validation, HeadSettings(strengths=[0.01]), 0)
    outputs, truth = features[validation] @ head.weight.T + head.bias, targets[validation]
    result, scored = measured(outputs, truth, facts), classification.score(outputs, truth, facts)
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc"):
        assert result[name]["value"] == scored[name]
        assert result[name]["low"] < result[name]["value"] < result[name]["high"]
    once = measures.resampled(outputs, truth, facts, np.ones((1, len(truth)), dtype=np.int32))
    assert {name: once[name][0] for name in scored if name != "loss"} == pytest.approx(
        {name: value for name, value in scored.items() if name != "loss"}
    )
    assert once["f1"][0] == pytest.approx([one["f1"]["value"] for one in result["classes"].values()])


def test_a_class_without_samples_is_null_and_no_zero() -> None:
    targets, outputs = np.array([0, 0, 1, 1]), one_hot([0, 2, 1, 1], 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scored, result = classification.score(outputs, targets, ABC), measured(outputs, targets, ABC)
    assert scored["balanced_accuracy"] == 0.75
    assert scored["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    missing = result["classes"]["c"]
    assert missing["recall"] == missing["f1"] == {"value": None, "low": None, "high": None}
    assert missing["precision"]["value"] == 0 and missing["support"] == 0


def test_one_class_alone_has_no_area_under_the_curve() -> None:
    targets, outputs = np.array([1, 1, 1]), one_hot([1, 1, 0], 2)
    assert classification.score(outputs, targets, AB)["roc_auc"] is None
    result = measured(outputs, targets, AB)
    assert result["roc_auc"] == {"value": None, "low": None, "high": None}
    assert result["balanced_accuracy"]["value"] == pytest.approx(2 / 3)


def test_constant_answers_are_worth_nothing() -> None:
    targets = np.array([0, 1, 2, 0])
    scored = classification.score(np.zeros((4, 3), dtype=np.float32), targets, ABC)
    assert scored["roc_auc"] == 0.5
    assert scored["balanced_accuracy"] == pytest.approx(1 / 3)
    assert scored["loss"] == pytest.approx(np.log(3))


def test_the_baseline_answers_with_the_majority_of_the_train_split() -> None:
    outputs = classification.baseline(np.array([0, 1, 1, 2]), 3, ABC)
    assert outputs.shape == (3, 3) and outputs.dtype == np.float32
    told = classification.answers(outputs, ABC)
    assert told["answer"].tolist() == ["b", "b", "b"]
    assert told["confidence"].tolist() == pytest.approx([0.5, 0.5, 0.5])


def test_errors_come_with_the_most_confident_first() -> None:
    outputs = np.array([[0, 1], [3, 0], [0, 2], [5, 0]], dtype=np.float32)
    found = measures.errors(outputs, np.array([0, 1, 1, 0]), AB, 5)
    assert found[["row", "truth", "answer"]].to_numpy().tolist() == [[1, "b", "a"], [0, "a", "b"]]
    assert found["confidence"].is_monotonic_decreasing
    assert len(measures.errors(outputs, np.array([0, 1, 1, 0]), AB, 1)) == 1
    assert len(measures.errors(outputs, np.array([1, 0, 1, 0]), AB, 5)) == 0


@pytest.mark.parametrize("classes", [2, 12])
def test_pictures_are_drawn_the_same_each_time(classes: int, tmp_path: Any) -> None:
    generator = np.random.default_rng(0)
    labels = [f"a $long$ name, number {number}, of a class" for number in range(classes - 1)] + ["缺"]
    targets = generator.integers(classes - 1, size=80)
    outputs = generator.normal(size=(80, classes)).astype(np.float32)
    facts = {"labels": labels}
    result = measured(outputs, targets, facts)
    pictures: list[dict[str, bytes]] = []
    for run in ("once", "again"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figures = measures.draw(outputs, targets, facts, result, "title")
            for name, figure in figures.items():
                plots.save(figure, tmp_path / f"{run}-{name}.png")
        pictures.append({name: (tmp_path / f"{run}-{name}.png").read_bytes() for name in figures})
    assert set(pictures[0]) == {"confusion", "reliability", "f1"}
    assert pictures[0] == pictures[1]


def test_a_feature_that_is_only_rounding_gets_no_weight() -> None:
    """Pretrained networks have dead units: their rounding, scaled up, must not become the head's weight."""
    from tasks.objectives import classification
    from tasks.schema import HeadSettings

    random = np.random.default_rng(0)
    targets = np.arange(80) % 2
    features = random.normal(size=(80, 3)).astype(np.float32)
    features[:, 0] += targets
    features[:, 1] *= 1e-33
    rows = np.arange(80)
    head = classification.fit_head(features, targets, rows[:60], rows[60:], HeadSettings(strengths=[1.0]), 0)
    assert np.abs(head.weight[:, 1]).max() < 1e-6
    assert np.abs(head.weight[:, 0]).max() > 0.1


def test_right_answers_come_from_each_class_in_turn_the_surest_first() -> None:
    facts = {"labels": ["a", "b"]}
    outputs = np.array([[4, 0], [3, 0], [0, 1], [0, 2], [0, 9]], dtype=np.float32)
    told = measures.rights(outputs, np.array([0, 0, 1, 1, 0]), facts, 3)
    assert told["row"].tolist() == [0, 3, 1] and (told["truth"] == told["answer"]).all()


def test_reliability_counts_each_answer_once_and_holds_its_interval() -> None:
    random = np.random.default_rng(0)
    outputs, targets = random.normal(size=(200, 3)).astype(np.float32), random.integers(3, size=200)
    weights = bootstrap.by_sample(200, 20, seed=1)
    facts = {"labels": ["a", "b", "c"]}
    resampled = measures.resampled(outputs, targets, facts, weights)
    told = measures.measure(outputs, targets, facts, resampled, 0.95)
    bins = told["reliability"]
    assert sum(one["samples"] for one in bins) == 200
    right = sum(one["samples"] * one["correct"] for one in bins)
    assert right / 200 == pytest.approx(told["accuracy"]["value"])
    gap = sum(one["samples"] * abs(one["correct"] - one["confidence"]) for one in bins) / 200
    assert gap == pytest.approx(told["calibration_error"]["value"], abs=1e-6)
    assert all(0 <= one["low"] <= one["correct"] <= one["high"] <= 1 for one in bins)
