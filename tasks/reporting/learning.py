"""How each training learnt: curves over its epochs, or the strengths a head was tried with."""

from typing import Any

from tasks.reporting import charts, words
from tasks.reporting.gather import Gathered


def learning(found: Gathered) -> list[dict[str, Any]]:
    """Return a mapping for each training that can be told of, the best first."""
    order = sorted(found.models, key=lambda name: name != found.best)
    return [_one(found, name) for name in order if found.models[name].history]


def _one(found: Gathered, training: str) -> dict[str, Any]:
    model, metric = found.models[training], found.metrics["metric"]
    history = model.history
    strategy = model.pipeline.get("strategy", "")
    told: dict[str, Any] = {
        "name": training,
        "about": words.STRATEGIES.get(strategy, strategy),
        "best": training == found.best,
        "parameters": _parameters(history),
        "charts": [],
        "tried": [],
    }
    epochs, kept = history.get("epochs") or [], history.get("best_epoch", 0)
    if epochs:
        both = {"train_loss": "other", "loss": "best"}
        share = words.is_share(metric)
        told["kept"], told["epochs"] = kept, max(one["epoch"] for one in epochs)
        told["charts"] = [
            charts.curves(epochs, both, kept, "loss", share=False),
            charts.curves(epochs, {metric: "best"}, kept, words.named(metric), share),
        ]
    elif history.get("head"):
        told |= _head(history["head"])
    return told


def _head(head: dict[str, Any]) -> dict[str, Any]:
    """Tell the strengths a head was tried with, and by what they were judged."""
    tried = sorted(head.get("tried", []), key=lambda one: float(one["strength"]))
    judged = next((key for one in tried[:1] for key in one if key.startswith("validation_")), None)
    rows = [
        {
            "strength": words.number(one["strength"]),
            "value": words.number(one.get(judged)) if judged else words.DASH,
            "kept": one["strength"] == head.get("strength"),
        }
        for one in tried
    ]
    return {
        "tried": rows,
        "judged": (judged or "").replace("validation_", "").replace("_", " "),
        "edge": head.get("edge"),
    }


def _parameters(history: dict[str, Any]) -> str:
    known = history.get("parameters")
    if not known:
        return ""
    return f"{known['trained']:,} of {known['total']:,} parameters learnt"
