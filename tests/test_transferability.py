"""Scores of features: against direct maximisation, known properties, and numbers worked out by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal, ortho_group

from tasks import objectives
from tasks.evaluation.transferability import h_score, linear_probe, logme
from tasks.objectives.heads import Split
from tasks.schema import HeadSettings

RANDOM = np.random.default_rng(0)
CLASSES = RANDOM.integers(3, size=90)
NOISE = RANDOM.normal(size=(90, 12))
CENTRES = RANDOM.normal(size=(3, 12))
SEPARABLE = NOISE + 3 * CENTRES[CLASSES]


def as_logme(features: Any, targets: Any) -> float:
    return logme(features, targets, classification=True)


def direct_evidence(features: Any, values: Any) -> float:
    """Maximise the density of `values` under N(0, FF'/alpha + 1/beta) over alpha and beta, from several starts."""
    products = features @ features.T

    def loss(logarithms: Any) -> float:
        alpha, beta = np.exp(logarithms)
        covariance = products / alpha + np.eye(len(values)) / beta
        return -float(multivariate_normal.logpdf(values, cov=covariance)) / len(values)

    starts = [(first, second) for first in (-2.0, 2.0) for second in (0.0, 3.0)]
    return -min(minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-6}).fun for start in starts)


@pytest.mark.parametrize(("samples", "dimensions"), [(30, 4), (12, 20)], ids=["more samples", "more features"])
def test_logme_is_the_directly_maximised_evidence(samples: int, dimensions: int) -> None:
    random = np.random.default_rng(samples)
    features = random.normal(size=(samples, dimensions)) + 0.5
    values = features @ random.normal(size=dimensions) + random.normal(size=samples)
    assert logme(features, values, classification=False) == pytest.approx(direct_evidence(features, values), abs=1e-5)


def test_logme_of_classes_is_the_mean_over_their_columns() -> None:
    columns = [direct_evidence(SEPARABLE[:40], (CLASSES[:40] == one).astype(float)) for one in range(3)]
    assert as_logme(SEPARABLE[:40], CLASSES[:40]) == pytest.approx(np.mean(columns), abs=1e-4)


@pytest.mark.parametrize("score", [as_logme, h_score])
def test_turning_and_scaling_the_features_changes_nothing(score: Callable[..., float]) -> None:
    turned = 7 * SEPARABLE @ ortho_group.rvs(12, random_state=1)
    assert score(turned, CLASSES) == pytest.approx(score(SEPARABLE, CLASSES), abs=1e-9)


@pytest.mark.parametrize("score", [as_logme, h_score])
def test_separable_features_score_higher_than_noise(score: Callable[..., float]) -> None:
    halfway = NOISE + CENTRES[CLASSES]
    assert score(NOISE, CLASSES) < score(halfway, CLASSES) < score(SEPARABLE, CLASSES)


@pytest.mark.parametrize("score", [as_logme, h_score])
def test_features_in_float32_are_worked_on_in_float64(score: Callable[..., float]) -> None:
    rough = SEPARABLE.astype(np.float32)
    assert score(rough, CLASSES) == score(rough.astype(np.float64), CLASSES)


def test_logme_of_what_cannot_be_told_is_that_of_a_normal_distribution_about_nought() -> None:
    features, values = np.array([[1.0], [1.0], [0.0], [0.0]]), np.array([1.0, -1.0, 2.0, -2.0])
    expected = -(np.log(2 * np.pi * 2.5) + 1) / 2
    assert logme(features, values, classification=False) == pytest.approx(expected, abs=1e-6)
    assert logme(np.zeros((4, 2)), values, classification=False) == pytest.approx(expected, abs=1e-6)


def test_logme_is_a_number_where_the_features_tell_everything() -> None:
    assert np.isfinite(logme(np.eye(5), np.arange(1.0, 6.0), classification=False))
    assert np.isfinite(logme(NOISE[:, :2], NOISE[:, 0], classification=False))


def test_h_score_of_many_samples_is_the_trace_of_the_definition() -> None:
    many = np.random.default_rng(2).integers(3, size=60_000)
    features = np.random.default_rng(3).normal(size=(60_000, 4)) + CENTRES[many, :4]
    means = np.stack([features[many == one].mean(axis=0) for one in range(3)])[many]
    exact = np.trace(np.linalg.inv(np.cov(features.T)) @ np.cov(means.T))
    assert h_score(features, many) == pytest.approx(exact, rel=2e-3)


def test_h_score_stays_between_nought_and_one_less_than_the_classes() -> None:
    far = 1e-3 * NOISE + CENTRES[CLASSES]
    assert 1.5 < h_score(far, CLASSES) <= 2


def test_h_score_does_not_believe_more_features_than_samples() -> None:
    features, classes = np.random.default_rng(4).normal(size=(20, 200)), np.arange(20) % 2
    means = np.stack([features[classes == one].mean(axis=0) for one in range(2)])[classes]
    assert np.trace(np.linalg.pinv(np.cov(features.T)) @ np.cov(means.T)) == pytest.approx(1)  # the plain version
    assert 0 <= h_score(features, classes) < 0.6


def test_a_dead_feature_is_of_no_account() -> None:
    padded = np.column_stack([SEPARABLE, np.ones(90)])
    assert np.isfinite(h_score(padded, CLASSES))
    assert h_score(padded, CLASSES) == pytest.approx(h_score(SEPARABLE, CLASSES), rel=0.05)


@pytest.mark.parametrize(
    ("objective", "metric", "targets"),
    [("classification", "accuracy", CLASSES), ("regression", "r2", SEPARABLE[:, 0] - SEPARABLE[:, 1])],
)
def test_the_linear_probe_is_the_objectives_head_on_validation(objective: str, metric: str, targets: Any) -> None:
    learns = objectives.objective(objective)
    facts = {"labels": ["a", "b", "c"], "deviation": float(targets.std())}
    settings = HeadSettings(strengths=[0.1, 1.0])

    def probe(features: Any) -> float:
        features, values = features.astype(np.float32), targets.astype(np.int64 if metric == "accuracy" else np.float32)
        data = Split(features[:60], values[:60], features[60:], values[60:])
        value = linear_probe(learns, data, facts, settings, seed=1)[metric]
        assert value is not None
        return value

    assert probe(SEPARABLE) > 0.95 > probe(NOISE)
    features, train, validation = SEPARABLE.astype(np.float32), np.arange(60), np.arange(60, 90)
    kind = np.int64 if metric == "accuracy" else np.float32
    head = learns.fit_head(features, targets.astype(kind), train, validation, settings, 1)
    outputs = features[60:] @ head.weight.T + head.bias
    assert probe(SEPARABLE) == learns.score(outputs, targets[60:].astype(kind), facts)[metric]
