"""Trainings side by side: chosen on validation, compared on test by paired resamples."""

import json
from typing import Any

import numpy as np
import pytest

from tasks.errors import TrainingError
from tasks.evaluation import bootstrap
from tasks.evaluation.comparison import Outputs, Trial, report
from tasks.objectives import classification, regression

GENERATOR = np.random.default_rng(0)
VALIDATION, TEST = GENERATOR.integers(2, size=100), GENERATOR.integers(2, size=200)


def trial(**changes: Any) -> Trial:
    settings: dict[str, Any] = {
        "objective": "classification",
        "facts": {"labels": ["a", "b"]},
        "validation": VALIDATION,
        "test": TEST,
        "weights": bootstrap.by_sample(len(changes.get("test", TEST)), 200, seed=1),
        "confidence": 0.95,
        "metric": "accuracy",
    }
    return Trial(**(settings | changes))


def answering(validation: np.ndarray, test: np.ndarray) -> Outputs:
    return Outputs(*(np.eye(2, dtype=np.float32)[answer] for answer in (validation, test)))


def wrong(truth: np.ndarray, count: int) -> np.ndarray:
    """The truth with its first answers turned."""
    return np.where(np.arange(len(truth)) < count, 1 - truth, truth)


def test_the_best_is_chosen_on_validation_whatever_the_test_says() -> None:
    asked = trial()
    results = {
        "good on test": asked.measure(answering(wrong(VALIDATION, 20), TEST)),
        "good on validation": asked.measure(answering(VALIDATION, wrong(TEST, 40))),
        "as good on validation": asked.measure(answering(VALIDATION, TEST)),
    }
    assert asked.best(results) == "good on validation"


def test_gains_are_paired_and_counted_from_head_and_baseline() -> None:
    asked = trial()
    results = {
        "head": asked.measure(answering(VALIDATION, wrong(TEST, 40))),
        "full": asked.measure(answering(VALIDATION, wrong(TEST, 20))),
    }
    learnt = asked.facts
    baseline = asked.measure(Outputs(*(classification.baseline(VALIDATION, n, learnt) for n in (100, 200))))
    content = report(asked, results, baseline, "head")
    assert content["trainings"]["head"]["gain_over_head"] is None
    gain = content["trainings"]["full"]["gain_over_head"]
    assert gain["value"] == pytest.approx(0.1)
    assert 0 < gain["low"] < 0.1 < gain["high"]
    over_baseline = content["trainings"]["full"]["gain_over_baseline"]["value"]
    expected = 0.9 - content["baseline"]["test"]["accuracy"]["value"]
    assert over_baseline == pytest.approx(expected)
    assert report(asked, results, baseline, None)["trainings"]["full"]["gain_over_head"] is None


def test_a_test_split_of_one_class_gives_nulls_that_json_can_hold() -> None:
    asked = trial(test=np.zeros(50, dtype=np.int64), metric="roc_auc")
    result = asked.measure(answering(wrong(VALIDATION, 9), np.arange(50) % 2))
    content = json.loads(json.dumps(report(asked, {"only": result}, result, "only"), allow_nan=False))
    assert content["trainings"]["only"]["test"]["roc_auc"] == {"value": None, "low": None, "high": None}
    assert content["trainings"]["only"]["test"]["accuracy"]["value"] == 0.5
    assert content["trainings"]["only"]["gain_over_baseline"] is None


def test_a_metric_that_validation_cannot_tell_is_named() -> None:
    asked = trial(validation=np.zeros(10, dtype=np.int64), metric="roc_auc")
    result = asked.measure(answering(np.arange(10) % 2, TEST))
    with pytest.raises(TrainingError, match="roc_auc is undefined"):
        asked.best({"only": result})


def test_values_are_compared_in_regression_too() -> None:
    truth = GENERATOR.normal(size=150).astype(np.float32)
    noise = GENERATOR.normal(size=150).astype(np.float32)
    facts = {"mean": 0.0, "deviation": 1.0}
    asked = trial(objective="regression", facts=facts, validation=truth, test=truth, metric="r2")
    results = {
        name: asked.measure(Outputs((truth + share * noise)[:, None], (truth + share * noise)[:, None]))
        for name, share in (("rough", 0.9), ("fine", 0.3))
    }
    baseline = asked.measure(Outputs(*(regression.baseline(truth, 150, facts) for _ in range(2))))
    content = report(asked, results, baseline, "rough")
    assert content["best"] == "fine"
    assert content["trainings"]["fine"]["gain_over_head"]["low"] > 0
    assert content["trainings"]["fine"]["gain_over_baseline"]["value"] == pytest.approx(
        content["trainings"]["fine"]["test"]["r2"]["value"], abs=1e-5
    )
    assert content["baseline"]["test"]["spearman"]["value"] is None
