"""The table a run ends with: each training's metric with its interval, what it gained, what was registered."""

from pathlib import Path
from typing import Any

from flows import console
from tasks.schema import METRICS, Config
from tasks.stages import counters_name
from tasks.workspace import Workspace, read_json

COLUMNS = [
    "data set",
    "training",
    "metric",
    "test (interval)",
    "over frozen head",
    "over baseline",
    "version",
    "time",
]


def table(root: Path, config: Config, names: list[str]) -> None:
    """Print one row per training of each of the data sets `names` that has been evaluated."""
    rows = [row for name in names for row in _rows(config, Workspace(root, name))]
    if rows:
        console.table("Results on the test split", COLUMNS, rows)


def next_steps(root: Path, names: list[str]) -> None:
    """Say where to look next."""
    if names:
        console.out.print(
            f"look   data/{names[0]}/report/report.html   transfer ui\n"
            f"use    transfer predict {names[0]} FILE...   transfer show {names[0]}@champion\n"
            "again  transfer status   transfer run   dvc repro"
        )


def _rows(config: Config, workspace: Workspace) -> list[list[str]]:
    target = workspace.evaluation / "metrics.json"
    if not target.exists():
        return []
    metrics = read_json(target)
    name = metrics["metric"]
    registered = workspace.counters("register")
    rows: list[list[str]] = []
    for training in config.datasets[workspace.name].evaluate.trainings:
        entry = metrics["trainings"].get(training)
        if entry is None:
            continue
        seconds = workspace.counters(counters_name("finetune", training)).get("seconds")
        rows.append([
            "" if rows else workspace.name,
            training.removeprefix(f"{workspace.name}-"),
            name,
            _interval(entry["test"][name], name),
            _gain(entry.get("gain_over_head"), name),
            _gain(entry.get("gain_over_baseline"), name),
            _version(registered) if training == metrics["best"] else "",
            "" if seconds is None else console.duration(seconds),
        ])  # fmt: skip
    return rows


def _version(registered: dict[str, Any]) -> str:
    return f"{registered['version']} {registered['alias']}" if "version" in registered else ""


Measured = dict[str, float | None]


def _shown(value: float | None, metric: str, sign: str = "") -> str:
    """Return a share in per cent, any other metric as it is, a dash where it is undefined."""
    if value is None:
        return "-"
    return f"{value:{sign}.3f}" if metric in METRICS["regression"] else f"{100 * value:{sign}.1f}"


def _interval(measured: Measured, metric: str) -> str:
    unit = "" if metric in METRICS["regression"] else " %"
    low, high = _shown(measured["low"], metric), _shown(measured["high"], metric)
    return f"{_shown(measured['value'], metric)}{unit} ({low} to {high})"


def _gain(measured: Measured | None, metric: str) -> str:
    if not measured:
        return ""
    value, low, high = (_shown(measured[key], metric, "+") for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"
