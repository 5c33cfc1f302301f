"""What a manager reads: one sentence, one number with its interval, and what it is compared with."""

from typing import Any

from tasks.evaluation.comparison import BASELINE
from tasks.reporting import words
from tasks.reporting.gather import Gathered
from tasks.reporting.tracks import scale, track

OFTEN = 5
"""Looks at the test split above which the page warns that it may flatter."""


def headline(found: Gathered) -> dict[str, Any]:
    """Return the sentence, the number, the comparison's rows and what is gained, each with what follows from it."""
    metric = found.metrics["metric"]
    measured = found.measured[metric]
    settings = found.params.evaluate.bootstrap
    return {
        "sentence": _sentence(metric, measured["value"], found.metrics["samples"]["test"]),
        "verdict": _verdict(found),
        "metric": words.named(metric),
        "value": words.shown(measured["value"], metric),
        "between": words.between(measured, metric),
        "level": words.percent(settings.confidence, 0),
        "by": "whole groups" if settings.by == "group" else "samples",
        "resamples": f"{settings.resamples:,}",
        "rows": _rows(found, metric),
        "gains": _gains(found, metric),
        "others": _others(found, metric),
        "openings": {0: "", 1: "once", 2: "twice"}.get(found.openings, f"{found.openings:,} times"),
        "often": found.openings > OFTEN,
    }


def _sentence(metric: str, value: float | None, samples: int) -> str:
    asked = f"Asked about {words.counted(samples, 'sample')} it had never seen, the model"
    if value is None:
        return f"{asked} was measured, but its {words.named(metric)} is undefined there."
    if metric == "accuracy":
        return f"{asked} gives the right answer {words.percent(value)} of the time."
    if metric == "r2" and value <= 0:
        return f"{asked} answers no better than always telling the mean."
    if metric == "r2":
        return f"{asked} explains {words.percent(value)} of the differences between their values."
    return f"{asked} reaches a {words.named(metric)} of {words.shown(value, metric)}."


def _verdict(found: Gathered) -> str:
    """Say whether that is more than no model and, if something was fine-tuned, more than a frozen backbone."""
    best, none = found.metrics["trainings"][found.best], words.BASELINES[found.params.objective]
    over_none, over_head = best.get("gain_over_baseline"), best.get("gain_over_head")
    told = [OVER_NONE[words.side(over_none)].format(none)] if over_none else []
    if over_head:
        told.append(OVER_HEAD[words.side(over_head)])
    elif len(found.metrics["trainings"]) > 1 and found.models[found.best].pipeline.get("strategy") == "head":
        told.append("fine-tuning did no better on validation, so the backbone stays frozen")
    return f"{'; '.join(told)}." if told else ""


OVER_NONE = {
    "better": "That is better than {}",
    "worse": "That is worse than {}",
    "unclear": "Whether that is better than {} cannot be told from so few samples",
}
OVER_HEAD = {
    "better": "fine-tuning gained over the frozen backbone",
    "worse": "fine-tuning lost against the frozen backbone",
    "unclear": "that fine-tuning gained over the frozen backbone is not proven",
}


def _rows(found: Gathered, metric: str) -> list[dict[str, Any]]:
    """Return a row for the best training, the others as declared, and the baseline, on one scale."""
    trainings = found.metrics["trainings"]
    order = [found.best, *(name for name in trainings if name != found.best)]
    tests = {name: trainings[name]["test"][metric] for name in order}
    tests[BASELINE] = found.metrics[BASELINE]["test"][metric]
    on = scale(metric, list(tests.values()))
    return [
        {
            "name": "no model" if name == BASELINE else name.removeprefix(f"{found.params.name}-"),
            "about": _about(found, name),
            "kind": "best" if name == found.best else "none" if name == BASELINE else "other",
            "value": words.shown(measured["value"], metric),
            "between": words.between(measured, metric),
            "track": track(measured, on),
        }
        for name, measured in tests.items()
    ]


def _about(found: Gathered, name: str) -> str:
    if name == BASELINE:
        return words.BASELINES[found.params.objective]
    strategy = found.models[name].pipeline.get("strategy", "")
    return str(words.STRATEGIES.get(strategy, strategy))


def _gains(found: Gathered, metric: str) -> list[dict[str, str]]:
    """Return what the best training gains, paired on the same samples, and on which side of zero that lies."""
    best = found.metrics["trainings"][found.best]
    over = {
        "over the frozen head": "gain_over_head",
        f"over {words.BASELINES[found.params.objective]}": "gain_over_baseline",
    }
    gains = [(name, best.get(key)) for name, key in over.items()]
    if best.get("gain_over_head") is None:
        gains += [
            (f"of {name.removeprefix(found.params.name + '-')} over the frozen head", one["gain_over_head"])
            for name, one in found.metrics["trainings"].items()
            if one.get("gain_over_head") and name != found.best
        ]
    return [
        {
            "over": name,
            "told": words.gained(gain, metric),
            "side": words.side(gain),
            "means": words.SIDES[words.side(gain)],
        }
        for name, gain in gains
        if gain
    ]


def _others(found: Gathered, metric: str) -> list[dict[str, str]]:
    """Return the other metrics of the best training."""
    return [
        {"name": words.named(name), "value": _plain(one["value"], name), "between": _plain_between(one, name)}
        for name, one in found.measured.items()
        if name != metric and isinstance(one, dict) and "value" in one
    ]


def _plain(value: float | None, metric: str) -> str:
    """Return a value; an error in the labels' own units with as many digits as it needs."""
    return words.number(value) if metric in ("mae", "rmse") else words.shown(value, metric)


def _plain_between(measured: dict[str, Any], metric: str) -> str:
    if metric not in ("mae", "rmse") or measured.get("low") is None:
        return words.between(measured, metric)
    return f"{words.number(measured['low'])} to {words.number(measured['high'])}"
