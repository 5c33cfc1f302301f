"""A value with its interval as a bar on a common scale, in per cent of the track's width: drawn by HTML and CSS."""

from typing import Any, NamedTuple

from tasks.reporting.words import is_share


class Scale(NamedTuple):
    """The ends of a track."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Return where a value stands, in per cent of the width."""
        return round(100 * (min(max(value, self.low), self.high) - self.low) / (self.high - self.low), 2)


def scale(metric: str, measured: list[dict[str, Any]]) -> Scale:
    """Return a scale that holds all values and their intervals: shares from 0 to 1, others from nought or below."""
    if is_share(metric):
        return Scale(0.0, 1.0)
    ends = [one[key] for one in measured for key in ("value", "low", "high") if one.get(key) is not None]
    low = min([0.0, *ends])
    return Scale(low, max([1.0, *ends]) if low >= -1 else max([0.0, *ends]) or 1.0)


def track(measured: dict[str, Any], on: Scale) -> dict[str, float | None]:
    """Return places in per cent: `zero`, `from` and `wide` of the bar, `low` and `span` of the interval or null."""
    zero, value = on.place(0.0), measured.get("value")
    place = zero if value is None else on.place(value)
    known = measured.get("low") is not None and measured.get("high") is not None
    low = on.place(measured["low"]) if known else None
    span = round(on.place(measured["high"]) - on.place(measured["low"]), 2) if known else None
    return {"from": min(zero, place), "wide": round(abs(place - zero), 2), "zero": zero, "low": low, "span": span}
