"""What the gate looked at before it said which alias the version gets."""

from typing import Any

from tasks.reporting.gather import Gathered

NAMES = {
    "labels": "the same labels",
    "history": "not rolled back",
    "read": "something to compare",
    "unseen": "samples the champion never saw",
    "finite": "answers that are numbers",
    "metric": "better, and surely so",
    "classes": "no class lost",
    "calibration": "confidence that holds",
    "drift": "data of the same kind",
}
"""What passing each check means."""


def promotion(found: Gathered) -> dict[str, Any] | None:
    """Return version, alias, reason and a row per check; null where nothing was registered on this machine."""
    counted = found.counters.get("register", {})
    if "checks" not in counted:
        return None
    rows = [{"name": NAMES[one["name"]], "passed": one["passed"], "told": one["told"]} for one in counted["checks"]]
    return {key: counted[key] for key in ("version", "alias", "against", "reason")} | {"rows": rows}
