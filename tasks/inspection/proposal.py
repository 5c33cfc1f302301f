"""Puts a section of params.yaml together, complete, and says of each choice why."""

from math import ceil
from typing import NamedTuple

from tasks.errors import SourceError
from tasks.inspection import findings
from tasks.inspection.census import Census
from tasks.inspection.contents import Contents
from tasks.inspection.findings import Line
from tasks.inspection.fitting import FITTED
from tasks.inspection.recipes import Recipe, Sections
from tasks.inspection.request import STRATEGIES, THINGS, Layout, Request
from tasks.inspection.splitting import Division, divided

STEPS_LEAST, EPOCHS_MOST = 200, 20
"""Few samples are gone through more often, up to so many times, until so many steps were taken."""
REFUSED_MARGIN = 0.01
MOST_BAD = 0.5
"""Where more than this share cannot be used, the data is not what it is taken for."""


class Proposal(NamedTuple):
    """What would be written: the data set's section, its trainings by name; the reasons, samples per split.

    `size`: what a sample costs on average: pixels on the longer side, seconds or tokens.
    """

    dataset: Sections
    trainings: dict[str, Sections]
    reasons: list[Line]
    counts: dict[str, int]
    size: float


def proposed(
    request: Request, layout: Layout, census: Census, contents: Contents, objective: tuple[str, str], recipe: Recipe
) -> Proposal:
    """Return the sections of a new data set; SourceError where nothing can be learnt from what was found."""
    _check(census, contents, objective[0])
    division = divided(request.name, census, layout.split)
    dataset = dict(recipe.dataset)
    dataset.pop("schedule", None)
    metric = _metric(census, objective[0])
    backbone = request.backbone or recipe.dataset["backbone"]
    dataset |= {"modality": layout.modality, "objective": objective[0], "backbone": backbone}
    dataset["ingest"] = {
        "source": layout.source,
        "split": division.split,
        "group_pattern": None,
        "refused_share": _share(len(census.refused), census.looked),
    }
    prepared, why = FITTED[layout.modality](recipe.dataset["preprocess"], contents)
    dataset["preprocess"] = prepared | {"refused_share": _share(len(contents.bad), contents.looked)}
    if backbone != recipe.dataset["backbone"]:
        dataset["extract"] = recipe.dataset["extract"] | {"layers": None}
    evaluate = recipe.dataset["evaluate"]
    dataset["evaluate"] = evaluate | {
        "trainings": [f"{request.name}-{strategy}" for strategy in STRATEGIES],
        "metric": metric,
        "bootstrap": evaluate["bootstrap"] | {"by": division.interval_by},
    }
    trainings = _trainings(request, layout, objective[0], recipe, division.counts["train"], metric)
    reasons = _reasons(request, layout, dataset, objective, recipe, division, why)
    size = float(contents.sizes.mean()) if len(contents.sizes) else 0.0
    return Proposal(dataset, trainings, reasons, division.counts, size)


def _check(census: Census, contents: Contents, objective: str) -> None:
    """Raise SourceError where there is nothing to learn from, or too much is no sample."""
    bad = len(contents.bad) / contents.looked if contents.looked else 0.0
    if census.table.empty or bad > MOST_BAD or len(census.refused) > MOST_BAD * census.looked:
        named = [refused[:2] for refused in census.refused] or contents.bad or [("", "there are no rows")]
        raise SourceError(f"most of {census.looked:,} samples cannot be used, the first {named[0][0]}: {named[0][1]}")
    labels = census.table["label"].nunique()
    if labels < 2:
        raise SourceError(f"all {len(census.table):,} samples have the same label, {census.table['label'].iloc[0]!r}")
    if objective == "classification" and labels > len(census.table) / 2:
        raise SourceError(
            f"{labels:,} different labels for {len(census.table):,} samples: nothing repeats; "
            "name another column: --label COLUMN, or learn numbers: --objective regression"
        )


def _metric(census: Census, objective: str) -> str:
    """Return what trainings are compared by: with classes of very different size each class counts alike."""
    if objective == "regression":
        return "r2"
    counts = census.table["label"].value_counts()
    return "balanced_accuracy" if counts.iloc[0] >= findings.IMBALANCE * counts.iloc[-1] else "accuracy"


def _share(refused: int, looked: int) -> float:
    """Return a bearable share of refused samples: what was found in whole per cent, and one more."""
    return round((ceil(100 * refused / looked) if refused else 0) / 100 + REFUSED_MARGIN, 2)


def _trainings(
    request: Request, layout: Layout, objective: str, recipe: Recipe, train: int, metric: str
) -> dict[str, Sections]:
    """Return the head, the fine-tuning and what transfer is measured against, complete."""
    common = {"dataset": request.name, "modality": layout.modality, "objective": objective}
    head = {"head": {"strengths": recipe.head}}
    batches = max(ceil(train / recipe.partial["batch_size"]), 1)
    epochs = min(max(ceil(STEPS_LEAST / batches), recipe.partial["epochs"]), EPOCHS_MOST)
    deep = common | {"epochs": epochs, "patience": epochs, "monitor": metric}
    if layout.modality == "image":
        deep["augment"] = recipe.partial["augment"] | {"flip_vertical": 0.0, "quarter_turns": False}
    return {
        f"{request.name}-head": common | {"strategy": "head", "seed": recipe.partial["seed"]} | head,
        f"{request.name}-partial": recipe.partial | deep | head,
        f"{request.name}-scratch": recipe.scratch | deep,
    }


def _reasons(
    request: Request, layout: Layout, dataset: Sections, objective: tuple[str, str], recipe: Recipe, division: Division,
    why: list[Line],
) -> list[Line]:  # fmt: skip
    total = sum(division.counts.values())
    shares = " / ".join(f"{count:,} {name} ({count / total:.0%})" for name, count in division.counts.items())
    metric = dataset["evaluate"]["metric"]
    flatters = " (classes of very different size: each counts alike)" if metric == "balanced_accuracy" else ""
    kept = f"as {recipe.origin} has it, the house's recipe for {THINGS[layout.modality]}"
    asked = "as you said" if request.objective else objective[1]
    return [
        ("modality", f"{layout.modality}: {'as you said' if request.modality else 'by what the samples are'}"),
        ("objective", f"{objective[0]}: {asked}"),
        ("split", f"{shares}; {'; '.join(division.reasons)}"),
        ("backbone", f"{dataset['backbone']}: {'as you said' if request.backbone else kept}"),
        *why,
        ("metric", f"{metric}{flatters}, its interval by {division.interval_by}"),
    ]
