"""Regression: a head in the labels' own units, metrics that say null where they cannot tell."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

from tasks.errors import TrainingError
from tasks.evaluation import bootstrap, plots
from tasks.objectives import Facts, regression
from tasks.objectives import regression_measures as measures
from tasks.schema import HeadSettings, SquaredError

FACTS: Facts = {"mean": 0.0, "deviation": 2.0}
TRAIN, VALIDATION = np.arange(300), np.arange(300, 442)


@pytest.fixture(scope="module")
def diabetes() -> tuple[np.ndarray, np.ndarray, Facts]:
    """Features float32 [442, 10], targets and facts of a data set that scikit-learn carries."""
    data = load_diabetes()
    labels = pd.Series(data.target)
    facts = regression.learn(labels[TRAIN])
    return data.data.astype(np.float32), regression.targets(labels, facts), facts


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)[:, None]


def measured(outputs: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    weights = bootstrap.by_sample(len(targets), 300, seed=1)
    resampled = measures.resampled(outputs, targets, FACTS, weights)
    return measures.measure(outputs, targets, FACTS, resampled, 0.95)


def test_mean_and_deviation_are_learnt_and_targets_stay_as_they_are() -> None:
    labels = pd.Series([1.0, 2.0, 6.0])
    facts = regression.learn(labels)
    assert facts == {"mean": 3.0, "deviation": pytest.approx(np.sqrt(14 / 3))}
    assert regression.outputs(facts) == 1
    assert regression.targets(labels, facts).dtype == np.float32
    assert regression.targets(labels, facts).tolist() == [1.0, 2.0, 6.0]


def test_labels_that_never_change_cannot_be_learnt() -> None:
    with pytest.raises(TrainingError, match="all labels of the train split are 3"):
        regression.learn(pd.Series([3.0, 3.0]))


def test_labels_that_are_no_numbers_are_counted() -> None:
    with pytest.raises(TrainingError, match="2 of 3 labels"):
        regression.targets(pd.Series([1.0, np.nan, np.inf]), FACTS)


def test_the_head_answers_as_ridge_does_on_features_as_they_come(diabetes: Any) -> None:
    features, targets, _ = diabetes
    head = regression.fit_head(features, targets, TRAIN, VALIDATION, HeadSettings(strengths=[10.0]), 0)
    scaler = StandardScaler().fit(features[TRAIN])
    theirs = Ridge(alpha=10.0).fit(scaler.transform(features[TRAIN]), targets[TRAIN])
    outputs = features @ head.weight.T + head.bias
    assert outputs.shape == (442, 1) and outputs.dtype == np.float32
    assert outputs[:, 0] == pytest.approx(theirs.predict(scaler.transform(features)), rel=1e-3)


def test_the_strength_is_chosen_by_validation_error_the_strongest_tried_first(diabetes: Any) -> None:
    features, targets, facts = diabetes
    strengths = HeadSettings(strengths=[0.1, 30.0, 10000.0])
    head = regression.fit_head(features, targets, TRAIN, VALIDATION, strengths, 0)
    assert [one["strength"] for one in head.report["tried"]] == [10000.0, 30.0, 0.1]
    assert (head.report["strength"], head.report["edge"]) == (30.0, None)
    outputs = features[VALIDATION] @ head.weight.T + head.bias
    lowest = min(one["validation_loss"] for one in head.report["tried"])
    assert regression.score(outputs, targets[VALIDATION], facts)["rmse"] ** 2 == pytest.approx(lowest, rel=1e-4)


def test_the_loss_is_in_units_of_the_variance() -> None:
    squared = SquaredError(kind="squared_error", unsure="ignore")
    criterion = regression.criterion(squared, np.float32([1, 5]), FACTS)
    losses = criterion(torch.tensor([[1.0], [3.0]]), torch.tensor([3.0, 3.0]), torch.ones(2))
    assert losses.tolist() == [4 / 4, 0]
    assert regression.score(column(1, 3), np.float32([3, 2]), FACTS)["loss"] == pytest.approx((4 + 1) / 2 / 4)


def test_metrics_by_hand() -> None:
    found = regression.score(column(1, 2, 4), np.float32([1, 3, 5]), FACTS)
    assert found["mae"] == pytest.approx(2 / 3)
    assert found["rmse"] == pytest.approx(np.sqrt(2 / 3))
    assert found["r2"] == pytest.approx(1 - 2 / 8)
    assert found["spearman"] == pytest.approx(1)


def test_what_cannot_be_told_is_null() -> None:
    constant = regression.score(column(2, 2, 2), np.float32([1, 2, 3]), FACTS)
    assert constant["spearman"] is None and constant["r2"] == 0
    alike = regression.score(column(1, 2, 3), np.float32([2, 2, 2]), FACTS)
    assert alike["spearman"] is None and alike["r2"] is None
    assert measured(column(1, 2, 3), np.float32([2, 2, 2]))["r2"] == {
        "value": None,
        "low": None,
        "high": None,
    }


def test_metrics_on_resamples_equal_those_of_the_repeated_samples(diabetes: Any) -> None:
    features, targets, facts = diabetes
    outputs = (features[:, 2:3] * 900 + 150).astype(np.float32)
    weights = bootstrap.by_sample(len(targets), 5, seed=2)
    found = measures.resampled(outputs, targets, facts, weights)
    for row, weight in enumerate(weights):
        truth, answer = np.repeat(targets, weight), np.repeat(outputs[:, 0], weight).astype(np.float64)
        assert found["r2"][row] == pytest.approx(r2_score(truth, answer))
        assert found["spearman"][row] == pytest.approx(spearmanr(truth, answer).statistic)
        assert found["mae"][row] == pytest.approx(np.abs(truth - answer).mean())
        assert found["rmse"][row] == pytest.approx(np.sqrt(np.mean((truth - answer) ** 2)))


def test_values_stand_within_their_intervals(diabetes: Any) -> None:
    features, targets, _ = diabetes
    found = measured(features[:, 2:3] * 900 + 150, targets)
    for name in measures.OVERALL:
        assert found[name]["low"] < found[name]["value"] < found[name]["high"]


def test_the_baseline_answers_with_the_mean_of_the_train_split() -> None:
    outputs = regression.baseline(np.float32([1, 2, 6]), 2, FACTS)
    assert outputs.tolist() == [[3.0], [3.0]] and outputs.dtype == np.float32
    assert regression.answers(outputs, FACTS)["answer"].tolist() == [3.0, 3.0]


def test_errors_come_with_the_farthest_off_first() -> None:
    found = measures.errors(column(1, 5, 2), np.float32([1, 2, 4]), FACTS, 2)
    assert found.to_dict("list") == {
        "row": [1, 2],
        "truth": [2.0, 4.0],
        "answer": [5.0, 2.0],
        "deviation": [3.0, -2.0],
    }


def test_pictures_are_drawn_even_of_constant_answers(tmp_path: Any) -> None:
    outputs, targets = column(2, 2, 2), np.float32([1, 2, 3])
    for name, figure in measures.draw(outputs, targets, FACTS, measured(outputs, targets), "title").items():
        plots.save(figure, tmp_path / f"{name}.png")
    assert {path.name for path in tmp_path.iterdir()} == {"scatter.png", "residuals.png"}


def test_right_answers_are_spread_over_the_truth() -> None:
    truth = np.arange(12, dtype=np.float32)
    off = np.where(np.isin(truth, [1, 5, 10]), 0.1, 2.0).astype(np.float32)
    told = measures.rights(column(*(truth + off)), truth, FACTS, 3)
    assert told["row"].tolist() == [1, 5, 10] and list(told) == ["row", "truth", "answer", "deviation"]
    assert len(measures.rights(column(*truth), truth, FACTS, 0)) == 0
