"""What all measurements come to: docs/performance.json."""

from pathlib import Path
from typing import Any

from bench import machine
from bench.numbers import middle, ratio
from bench.plan import Plan, Suite
from bench.session import Session
from bench.sets import read_table

Measured = list[dict[str, Any]]
"""One step of one contestant, as often as it was measured."""


def gather(root: Path, plan: Plan, sets: dict[str, Path]) -> dict[str, Any]:
    """Return the medians of all that is measured so far, with every single value."""
    suites = {name: _suite(root, plan, name, folder) for name, folder in sets.items()}
    moments = [moment for suite in suites.values() for moment in suite.pop("moments")]
    return {
        "measured": {"first": min(moments, default=None), "last": max(moments, default=None)},
        "machine": machine.told(),
        "threads": plan.threads,
        "repeats": plan.repeats,
        "suites": suites,
    }


def _suite(root: Path, plan: Plan, name: str, folder: Path) -> dict[str, Any]:
    suite = plan.suites[name]
    taken = {one: _taken(root, plan, name, suite, one, folder) for one in suite.contestants}
    moments = [record["at"] for steps in taken.values() for records in steps.values() for record in records]
    measures = {one: _told(suite, taken, one) for one in suite.contestants}
    rows = read_table(folder)
    return {
        "says": suite.says,
        "dataset": suite.dataset,
        "samples": {split: int(count) for split, count in rows["split"].value_counts().items()},
        "reference": suite.reference,
        "contestants": measures,
        "moments": moments,
    }


def _taken(root: Path, plan: Plan, name: str, suite: Suite, one: str, folder: Path) -> dict[str, Measured]:
    """Return of each step what was measured in the repeats."""
    shelves = [Session(root, plan, name, suite, one, folder, repeat).shelf for repeat in range(plan.repeats)]
    return {
        step: [record for shelf in shelves if (record := shelf.take(step)) is not None]
        for step in suite.contestants[one].steps
    }


def _told(suite: Suite, taken: dict[str, dict[str, Measured]], one: str) -> dict[str, Any]:
    """Return the medians of a contestant, beside the reference's."""
    contestant, steps = suite.contestants[one], taken[one]
    told: dict[str, Any] = {"says": contestant.says, "steps": {}, "again": list(contestant.again)}
    for step, records in steps.items():
        seconds = [_seconds(step, record) for record in records]
        own = middle(seconds)
        reference = middle([_seconds(step, record) for record in taken[suite.reference].get(step, [])])
        told["steps"][step] = {"seconds": own, "all": seconds, "times_ours": ratio(own, reference)}
        if step in ("one", "many"):
            told["steps"][step]["process_seconds"] = middle([record["seconds"] for record in records])
    told["steps"] |= {
        step: _again(told["steps"]["cold"]["seconds"], taken[suite.reference], step) for step in told["again"]
    }
    everything = [record for step in ("cold", "measure") for record in steps.get(step, [])]
    told["accuracy"] = _middle_interval([record["accuracy"] for record in everything if "accuracy" in record])
    for kind in ("tree_mebibytes", "process_mebibytes"):
        told[kind] = middle([record[kind] for record in everything])
    told["measured"] = _phases([record["measured"] for record in everything if "measured" in record])
    return told


def _again(seconds: float | None, reference: dict[str, Measured], step: str) -> dict[str, Any]:
    """Return for a step that is the first model once more what that took."""
    ours = middle([_seconds(step, record) for record in reference.get(step, [])])
    return {"seconds": seconds, "all": [], "times_ours": ratio(seconds, ours)}


def _seconds(step: str, record: dict[str, Any]) -> float:
    """Return what a step took: of an answer that of the loaded model, of all else that of the whole process."""
    return float(record["warm_seconds"] if step in ("one", "many") else record["seconds"])


def _middle_interval(found: list[dict[str, float]]) -> dict[str, float] | None:
    """Return the interval of the repeat whose accuracy is the median (of two the lower)."""
    ordered = sorted(found, key=lambda interval: interval["value"])
    return ordered[(len(ordered) - 1) // 2] if ordered else None


def _phases(found: list[dict[str, float]]) -> dict[str, float | None]:
    """Return the median of each number of a micro-bench."""
    return {name: middle([phases[name] for phases in found]) for name in (found[0] if found else ())}
