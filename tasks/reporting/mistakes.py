"""Where the best training errs: by class, by value, and sample by sample."""

from typing import Any

import numpy as np

from tasks.reporting import charts, words
from tasks.reporting.gather import Gathered
from tasks.reporting.tracks import Scale, track

MOST_CLASSES = 12
"""Classes of a confusion matrix that a phone can still show."""
MOST_ROWS = 40
MOST_PAIRS = 12


def confusion(found: Gathered) -> dict[str, Any] | None:
    """Return the matrix, rows truth and columns answer, with the share of each row; the commonest mix-ups."""
    told = found.measured.get("confusion")
    if not told:
        return None
    labels, counts = told["labels"], np.array(told["counts"], dtype=np.int64).reshape(len(told["labels"]), -1)
    totals = counts.sum(axis=1)
    rows = [
        {
            "label": labels[row],
            "cells": [
                {"count": int(count), "share": float(count / max(totals[row], 1)), "right": row == column}
                for column, count in enumerate(counts[row])
            ],
            "total": int(totals[row]),
        }
        for row in range(len(labels))
    ]
    return {"labels": labels, "rows": rows if len(labels) <= MOST_CLASSES else [], "pairs": _pairs(labels, counts)}


def _pairs(labels: list[str], counts: "np.ndarray[Any, Any]") -> list[dict[str, Any]]:
    """Return which class is most often taken for which."""
    wrong = counts * (1 - np.eye(len(counts), dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_PAIRS]
    places = [divmod(int(one), len(counts)) for one in order if wrong.flat[one]]
    return [
        {
            "truth": labels[truth],
            "answer": labels[answer],
            "count": int(wrong[truth, answer]),
            "share": words.percent(wrong[truth, answer] / counts[truth].sum(), 0),
        }
        for truth, answer in places
    ]


def classes(found: Gathered) -> dict[str, Any] | None:
    """Return precision, recall and F1 of each class with intervals, the lowest F1 first; of very many the lowest."""
    known = found.measured.get("classes")
    if not known:
        return None
    order = sorted(known, key=lambda label: _f1(known[label]))
    rows = [
        {
            "label": label,
            "support": known[label]["support"],
            "measures": [_measure(known[label][name]) for name in ("precision", "recall", "f1")],
        }
        for label in order[:MOST_ROWS]
    ]
    return {"rows": rows, "hidden": len(order) - len(rows)}


def _f1(one: dict[str, Any]) -> float:
    value = one["f1"]["value"]
    return -1.0 if value is None else float(value)


def _measure(measured: dict[str, Any]) -> dict[str, Any]:
    low, high = (words.percent(measured[key], 0).removesuffix(words.PERCENT) for key in ("low", "high"))
    known = measured["low"] is not None
    return {
        "value": words.percent(measured["value"], 0),
        "between": f"{low} to {high}" if known else "",
        "track": track(measured, Scale(0.0, 1.0)),
    }


def values(found: Gathered) -> dict[str, Any] | None:
    """Return the charts of answers that are values; None for classes, or where the answers are gone."""
    if found.params.objective != "regression" or not len(found.answers):
        return None
    truth = found.answers["label"].to_numpy(np.float64)
    answer = found.answers["answer"].to_numpy(np.float64)
    off = answer - truth
    half, nine = np.quantile(np.abs(off), [0.5, 0.9])
    return {
        "scatter": charts.scatter(truth, answer),
        "residuals": charts.histogram(off, "answer minus truth", "How far answers are off", zero=True, height=300),
        "half": words.number(float(half)),
        "nine": words.number(float(nine)),
        "mean": words.minus(f"{off.mean():+.3g}"),
        "mae": words.number(found.measured["mae"]["value"]),
    }
