"""Intervals: right coverage, wider where samples come in groups, narrower where trainings are paired."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from tasks.evaluation import bootstrap
from tasks.objectives import metrics

RESAMPLES = 400


def test_each_resample_holds_as_many_samples_as_there_are() -> None:
    weights = bootstrap.by_sample(50, RESAMPLES, seed=1)
    assert weights.shape == (RESAMPLES, 50)
    assert (weights.sum(axis=1) == 50).all()
    assert abs(weights.mean(axis=0) - 1).max() < 0.25
    assert (weights != weights[0]).any()


def test_the_seed_decides_the_resamples() -> None:
    assert (bootstrap.by_sample(20, 5, seed=1) == bootstrap.by_sample(20, 5, seed=1)).all()
    assert (bootstrap.by_sample(20, 5, seed=1) != bootstrap.by_sample(20, 5, seed=2)).any()


def test_a_group_goes_together_and_as_many_groups_are_drawn_as_there_are() -> None:
    groups = np.array(["b", "a", "b", "c", "a", "b"])
    weights = bootstrap.by_group(groups, RESAMPLES, seed=1)
    assert (weights[:, 0] == weights[:, 2]).all() and (weights[:, 0] == weights[:, 5]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, 0] + weights[:, 1] + weights[:, 3] == 3).all()


def test_the_interval_covers_the_true_share_about_as_often_as_it_claims() -> None:
    generator, covered = np.random.default_rng(5), 0
    for seed in range(200):
        correct = generator.random(150) < 0.8
        shares = bootstrap.by_sample(150, RESAMPLES, seed) @ correct / 150
        found = bootstrap.interval(correct.mean(), shares, 0.9)
        covered += found["low"] <= 0.8 <= found["high"]
    assert 0.84 <= covered / 200 <= 0.95


def test_groups_that_stand_or_fall_together_widen_the_interval() -> None:
    groups = np.repeat(np.arange(20), 30)
    correct = np.repeat(np.random.default_rng(3).random(20) < 0.7, 30).astype(float)

    def width(weights: np.ndarray) -> float:
        found = bootstrap.interval(correct.mean(), weights @ correct / weights.sum(axis=1), 0.95)
        return float(found["high"] - found["low"])

    by_sample = width(bootstrap.by_sample(600, RESAMPLES, seed=1))
    by_group = width(bootstrap.by_group(groups, RESAMPLES, seed=1))
    assert by_group > 4 * by_sample  # the deviation grows by the root of 30


def test_pairing_takes_out_what_both_trainings_find_hard() -> None:
    generator = np.random.default_rng(4)
    hard = generator.random(500) < 0.3
    ours, theirs = ~hard, ~hard & (generator.random(500) < 0.95)
    weights = bootstrap.by_sample(500, RESAMPLES, seed=1)
    resampled = [weights @ one / 500 for one in (ours, theirs)]
    alone = [
        bootstrap.interval(one.mean(), values, 0.95) for one, values in zip((ours, theirs), resampled, strict=True)
    ]
    gain = bootstrap.difference(*alone, resampled[0] - resampled[1], 0.95)
    assert gain["value"] == pytest.approx(ours.mean() - theirs.mean())
    assert gain["low"] > 0
    assert alone[0]["low"] < alone[1]["high"]  # the two intervals by themselves overlap


def test_what_is_undefined_is_null_and_undefined_resamples_are_left_out() -> None:
    nothing = {"value": None, "low": None, "high": None}
    assert bootstrap.interval(None, np.array([0.5]), 0.95) == nothing
    assert bootstrap.interval(float("nan"), np.array([0.5]), 0.95) == nothing
    assert bootstrap.difference(nothing, {"value": 1.0, "low": 1.0, "high": 1.0}, np.array([0.0]), 0.95) == nothing
    assert bootstrap.interval(0.5, np.array([np.nan, np.nan]), 0.95) == {
        "value": 0.5,
        "low": None,
        "high": None,
    }
    assert bootstrap.interval(0.5, np.array([np.nan, 0.4, 0.6]), 0.5) == pytest.approx(
        {"value": 0.5, "low": 0.45, "high": 0.55}
    )


@pytest.fixture(scope="module")
def case() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth [300] of 4 classes, scores [300, 4] with many ties, weights [6, 300]."""
    generator = np.random.default_rng(0)
    truth = generator.integers(4, size=300)
    scores = generator.normal(size=(300, 4)) + 1.5 * np.eye(4)[truth]
    return truth, np.round(scores, 1), bootstrap.by_sample(300, 6, seed=9)


def test_rates_on_resamples_equal_scikit_learn(case: tuple[np.ndarray, ...]) -> None:
    truth, scores, weights = case
    answer = scores.argmax(axis=1)
    rates = metrics.rates(truth, answer, 4, weights)
    for row, weight in enumerate(weights):
        told = {"average": None, "labels": range(4), "sample_weight": weight}
        assert rates.precision[row] == pytest.approx(precision_score(truth, answer, **told))
        assert rates.recall[row] == pytest.approx(recall_score(truth, answer, **told))
        assert rates.f1[row] == pytest.approx(f1_score(truth, answer, **told))
        assert rates.accuracy[row] == pytest.approx(np.average(truth == answer, weights=weight))


def test_area_under_the_curve_on_resamples_equals_scikit_learn(case: tuple[np.ndarray, ...]) -> None:
    truth, scores, weights = case
    areas = metrics.roc_auc(scores, truth, weights)
    for row, weight in enumerate(weights):
        each = [roc_auc_score(truth == one, scores[:, one], sample_weight=weight) for one in range(4)]
        assert areas[row] == pytest.approx(np.mean(each))


def test_rank_correlation_on_resamples_equals_scipy_on_repeated_samples(case: tuple[np.ndarray, ...]) -> None:
    _, scores, weights = case
    found = metrics.spearman(scores[:, 0], scores[:, 1], weights)
    for row, weight in enumerate(weights):
        repeated = np.repeat(scores, weight, axis=0)
        assert found[row] == pytest.approx(spearmanr(repeated[:, 0], repeated[:, 1]).statistic)


def test_calibration_error_by_hand() -> None:
    # Bin (0.6, 0.667]: two answers of 0.65, one correct; bin (0.933, 1]: one answer of 1.0, wrong.
    confidence, correct = np.array([0.65, 0.65, 1.0]), np.array([True, False, False])
    weights = np.array([[1, 1, 1], [2, 0, 0], [0, 1, 1]])
    expected = [(2 * 0.15 + 1.0) / 3, 0.35, (0.65 + 1.0) / 2]
    assert metrics.calibration_error(confidence, correct, weights) == pytest.approx(expected)


def test_bins_hold_their_upper_edge() -> None:
    assert metrics.bin_of(np.array([0.0, 1 / 15, 1 / 15 + 1e-9, 1.0])).tolist() == [0, 0, 1, 14]


def test_many_resamples_are_worked_on_in_blocks_with_the_same_result(
    case: tuple[np.ndarray, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, scores, weights = case
    whole = metrics.roc_auc(scores, truth, weights)
    monkeypatch.setattr(metrics, "BLOCK", 300)
    assert (metrics.roc_auc(scores, truth, weights) == whole).all()


def test_a_resample_without_a_class_tells_nothing_of_it() -> None:
    truth, answer = np.array([0, 0, 1]), np.array([0, 1, 1])
    rates = metrics.rates(truth, answer, 2, np.array([[1, 1, 0], [1, 0, 0]]))
    assert np.isnan(rates.recall[:, 1]).all() and np.isnan(rates.f1[:, 1]).all()
    assert rates.precision[0, 1] == 0 and np.isnan(rates.precision[1, 1])
    assert metrics.mean_defined(rates.recall).tolist() == [0.5, 1.0]
    assert np.isnan(metrics.roc_auc(np.eye(2)[answer], truth, np.array([[1, 1, 0]])))
