"""Numbers as people read them, and what follows from them in a sentence."""

from typing import Any

from tasks.schema import METRICS

Measured = dict[str, Any]
"""{"value", "low", "high"}; null where it is undefined."""

DASH, MINUS, PERCENT = "\u2013", "\u2212", "\u00a0%"
NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "F1, mean of the classes",
    "roc_auc": "area under the ROC curve",
    "r2": "R²",
    "spearman": "rank correlation",
    "calibration_error": "calibration error",
    "mae": "mean absolute error",
    "rmse": "root mean square error",
}
STRATEGIES = {
    "head": "a linear head on the frozen backbone",
    "partial": "the last blocks fine-tuned",
    "full": "everything fine-tuned",
    "lora": "fine-tuned through low-rank adapters",
    "scratch": "from random weights, no transfer",
    "": "",
}
BASELINES = {"classification": "always the commonest class", "regression": "always the mean"}
SIDES = {"better": "The whole interval lies above zero: it is better.",
         "worse": "The whole interval lies below zero: it is worse.",
         "unclear": "The interval holds zero: this may be chance."}  # fmt: skip


def named(metric: str) -> str:
    """Return what a reader calls a metric."""
    return NAMES.get(metric, metric.replace("_", " "))


def is_share(metric: str) -> bool:
    """Tell whether a metric is told in per cent."""
    return metric in METRICS["classification"] or metric == "calibration_error"


def minus(text: str) -> str:
    """Put a real minus sign."""
    return text.replace("-", MINUS)


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share in per cent; a dash where it is undefined."""
    return DASH if value is None else minus(f"{100 * value:.{digits}f}\u00a0%")


def nearly(share: float) -> str:
    """Return a confidence in per cent; what only rounds to certainty is no certainty."""
    return f"> 99{PERCENT}" if 0.99 < share < 1 else percent(share, 0)


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with so many significant digits; a dash where it is undefined."""
    if value is None:
        return DASH
    plain = f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"
    return minus(plain if "e" not in plain else f"{value:.2e}")


def shown(value: float | None, metric: str) -> str:
    """Return a metric's value as it is told: in per cent, or with three decimals."""
    if is_share(metric):
        return percent(value)
    return DASH if value is None else minus(f"{value:.3f}")


def between(measured: Measured, metric: str, digits: int = 1) -> str:
    """Return the interval: "54.8 to 79.9 %"; empty where there is none. `digits`: decimals of a share."""
    if measured.get("low") is None or measured.get("high") is None:
        return ""
    low, high = (
        percent(measured[key], digits) if is_share(metric) else shown(measured[key], metric) for key in ("low", "high")
    )
    return f"{low.removesuffix(PERCENT)} to {high}"


def gained(gain: Measured, metric: str) -> str:
    """Return a difference with its interval: "+4.6 points (-2.1 to +11.3)"."""
    told = [minus(f"{100 * gain[key]:+.1f}" if is_share(metric) else f"{gain[key]:+.3f}") for key in _ends(gain)]
    interval = f" ({told[1]} to {told[2]})" if len(told) == 3 else ""
    return f"{told[0]} {'points' if is_share(metric) else ''}".rstrip() + interval


def side(gain: Measured) -> str:
    """Tell on which side of zero a difference's interval lies: better, worse or unclear."""
    if gain.get("low") is None or gain.get("high") is None:
        return "unclear"
    return "better" if gain["low"] > 0 else "worse" if gain["high"] < 0 else "unclear"


def _ends(measured: Measured) -> list[str]:
    return [key for key in ("value", "low", "high") if measured.get(key) is not None]


def duration(seconds: float) -> str:
    """Return seconds as people say them."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number and its noun: "1 sample", "2,100 samples"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def shortened(text: str, most: int) -> str:
    """Cut a long name in its middle: beginnings and endings tell most."""
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"
