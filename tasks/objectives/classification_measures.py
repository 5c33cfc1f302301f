"""How well labels are told: metrics with intervals, overall and per class, errors and pictures."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks.evaluation import bootstrap, charts, plots
from tasks.objectives import Array, Facts, metrics
from tasks.objectives.classification import answers, log_probabilities, score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OVERALL = ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc", "calibration_error")
PER_CLASS = ("precision", "recall", "f1")


def resampled(outputs: Array, targets: Array, facts: Facts, weights: Array) -> dict[str, Array]:
    """Return OVERALL on each resample, float64 [R], and PER_CLASS, float64 [R, K]."""
    logarithms, answer = log_probabilities(outputs), outputs.argmax(axis=1)
    rates = metrics.rates(targets, answer, outputs.shape[1], weights)
    return {
        "accuracy": rates.accuracy,
        "balanced_accuracy": metrics.mean_defined(rates.recall),
        "macro_f1": metrics.mean_defined(rates.f1),
        "roc_auc": metrics.roc_auc(logarithms, targets, weights),
        "calibration_error": _calibration_error(logarithms, targets, weights),
        "precision": rates.precision,
        "recall": rates.recall,
        "f1": rates.f1,
    }


def _calibration_error(logarithms: Array, targets: Array, weights: Array) -> Array:
    """Of log-probabilities [N, K]: each sample's confidence is that of its most probable class."""
    correct = logarithms.argmax(axis=1) == targets
    return metrics.calibration_error(np.exp(logarithms.max(axis=1)), correct, weights)


def measure(
    outputs: Array, targets: Array, facts: Facts, resampled: dict[str, Array], confidence: float
) -> dict[str, Any]:
    """Return OVERALL, PER_CLASS and support of each class, the confusion matrix (rows: truth), reliability bins."""
    from sklearn.metrics import confusion_matrix

    whole = np.ones((1, len(targets)), dtype=np.int32)
    calibration = _calibration_error(log_probabilities(outputs), targets, whole)[0]
    values = score(outputs, targets, facts) | {"calibration_error": float(calibration)}
    overall = {name: bootstrap.interval(values[name], resampled[name], confidence) for name in OVERALL}
    counts = confusion_matrix(targets, outputs.argmax(axis=1), labels=range(outputs.shape[1]))
    return {
        **overall,
        "loss": values["loss"],
        "classes": _classes(outputs, targets, facts, resampled, confidence),
        "confusion": {"labels": facts["labels"], "counts": counts.tolist()},
        "reliability": _reliability(outputs, targets, confidence),
    }


def _reliability(outputs: Array, targets: Array, confidence: float) -> list[dict[str, float]]:
    """Return of each bin of confidence with samples: their number, mean confidence and share of right answers.

    `low` and `high` are the share's interval (Wilson 1927, doi:10.1080/01621459.1927.10502953).
    """
    from scipy.stats import binomtest

    logarithms = log_probabilities(outputs)
    sure, correct = np.exp(logarithms.max(axis=1)), logarithms.argmax(axis=1) == targets
    bins = metrics.bin_of(sure)
    found = []
    for number in np.unique(bins):
        inside = bins == number
        right, samples = int(correct[inside].sum()), int(inside.sum())
        low, high = binomtest(right, samples).proportion_ci(confidence, method="wilson")
        shares = {"confidence": float(sure[inside].mean()), "correct": right / samples}
        found.append({"samples": samples, **shares, "low": float(low), "high": float(high)})
    return found


def _classes(
    outputs: Array, targets: Array, facts: Facts, resampled: dict[str, Array], confidence: float
) -> dict[str, Any]:
    """Return {label: {precision, recall, f1, support}}; null where a class gives no ground to judge."""
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, f1, support = precision_recall_fscore_support(
        targets, outputs.argmax(axis=1), labels=range(outputs.shape[1]), zero_division=np.nan
    )
    columns = (precision, recall, np.where(support > 0, f1, np.nan))

    def of_class(index: int) -> dict[str, Any]:
        intervals = {
            name: bootstrap.interval(float(column[index]), resampled[name][:, index], confidence)
            for name, column in zip(PER_CLASS, columns, strict=True)
        }
        return {**intervals, "support": int(support[index])}

    return {label: of_class(index) for index, label in enumerate(facts["labels"])}


def errors(outputs: Array, targets: Array, facts: Facts, most: int) -> pd.DataFrame:
    """Return the wrong answers with the highest confidence: row, truth, answer, confidence."""
    told = _told(outputs, targets, facts)
    return told[told["truth"] != told["answer"]].head(most).reset_index(drop=True)


def rights(outputs: Array, targets: Array, facts: Facts, most: int) -> pd.DataFrame:
    """Return the right answers with the highest confidence, of each class in turn."""
    told = _told(outputs, targets, facts)
    right = told[told["truth"] == told["answer"]]
    turn = right.groupby("truth", sort=False).cumcount().sort_values(kind="stable")
    return right.loc[turn.index[:most]].reset_index(drop=True)


def _told(outputs: Array, targets: Array, facts: Facts) -> pd.DataFrame:
    """Return row, truth, answer and confidence of each sample, the surest first."""
    told = answers(outputs, facts)
    told.insert(0, "row", np.arange(len(targets)))
    told.insert(1, "truth", np.array(facts["labels"], dtype=object)[targets])
    return told.sort_values("confidence", ascending=False, kind="stable")


def draw(outputs: Array, targets: Array, facts: Facts, measured: dict[str, Any], title: str) -> "dict[str, Figure]":
    """Draw the confusion matrix, the reliability diagram and the F1 of each class."""
    logarithms = log_probabilities(outputs)
    scores = {label: one["f1"] for label, one in measured["classes"].items() if one["f1"]["value"] is not None}
    correct = logarithms.argmax(axis=1) == targets
    return {
        "confusion": charts.confusion(np.array(measured["confusion"]["counts"]), facts["labels"], title),
        "reliability": charts.reliability(np.exp(logarithms.max(axis=1)), correct, measured, title),
        "f1": plots.intervals(scores, title, "F1 per class"),
    }
