"""Whether the best training is as often right as it says it is."""

from typing import Any

import numpy as np

from tasks.reporting import charts, words
from tasks.reporting.gather import Gathered

FEW = 10
"""Answers below which a bin's share tells next to nothing."""


def trust(found: Gathered) -> dict[str, Any] | None:
    """Return the reliability diagram and what it says; None where answers carry no confidence."""
    bins = found.measured.get("reliability")
    if not bins:
        return None
    samples = np.array([one["samples"] for one in bins], dtype=np.float64)
    claimed = float(np.average([one["confidence"] for one in bins], weights=samples))
    held = float(np.average([one["correct"] for one in bins], weights=samples))
    error = found.measured["calibration_error"]
    return {
        "chart": charts.reliability(bins),
        "claimed": words.percent(claimed),
        "held": words.percent(held),
        "verdict": _verdict(claimed - held),
        "error": words.percent(error["value"]),
        "between": words.between(error, "calibration_error"),
        "few": any(one["samples"] < FEW for one in bins),
        "rows": [
            {
                "sure": words.percent(one["confidence"], 0),
                "right": words.percent(one["correct"], 0),
                "between": words.between(one, "accuracy", digits=0),
                "samples": f"{one['samples']:,}",
            }
            for one in bins
        ],
    }


def _verdict(gap: float) -> str:
    points = f"{abs(100 * gap):.1f} points"
    if abs(gap) < 0.02:
        return "On the whole it is as sure as it may be."
    return f"It is too sure of itself by {points}." if gap > 0 else f"It could be surer of itself by {points}."
