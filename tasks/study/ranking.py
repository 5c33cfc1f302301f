"""Whether fine-tuning confirms what `transfer rank` says of backbones without training."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tasks.evaluation import transferability
from tasks.experiments.rank import SCORES
from tasks.study.numbers import Study
from tasks.study.tables import NONE, percent, spread, table
from tasks.workspace import read_json

Tau = dict[str, float | None]
"""Kendall's tau-b (1945) of each score's order with that of the fine-tuned accuracies; null where none is told."""


class Confirmed(NamedTuple):
    """A candidate of `transfer rank`, what it scored there, and the training that fine-tuned it."""

    training: str
    candidate: dict[str, Any]
    accuracies: list[float]


def confirmed(study: Study, dataset: str) -> list[Confirmed]:
    """Return the candidates of a data set that are both ranked and fine-tuned, the best by LogME first."""
    ranked = {(one["backbone"], one["layers"]): one for one in study.ranks.get(dataset, [])}
    found = []
    for training in study.measured(study.plan.backbones[dataset]):
        owner = study.params.datasets[study.params.trainings[training].dataset]
        candidate = ranked.get((owner.backbone.name, owner.extract.layers))
        if candidate is not None:
            found.append(Confirmed(training, candidate, study.values(training, "accuracy")))
    return sorted(found, key=lambda one: -one.candidate["logme"])


def agreement(found: list[Confirmed]) -> Tau:
    """Return how alike each score and the mean fine-tuned accuracy order the candidates."""
    table = pd.DataFrame({score: [one.candidate[score] for one in found] for score in SCORES}, dtype=float)
    table["accuracy"] = [np.mean(one.accuracies) for one in found]
    return {score: transferability.tau_b(table[[score, "accuracy"]]) for score in SCORES}


def section(study: Study) -> str:
    """Tell for each data set what the scores said and what fine-tuning made of it; empty while nothing is known."""
    parts = [_of(dataset, found) for dataset in study.plan.backbones if (found := confirmed(study, dataset))]
    if not parts:
        return ""
    about = (
        "Scores of the frozen features on train and validation (`transfer rank`), and the accuracy on the test split "
        "after fine-tuning each candidate by the same recipe. "
        f"{_seeds(study)}"
    )
    return "\n\n".join(["## Which backbone? What fine-tuning confirmed", about, *parts])


def _seeds(study: Study) -> str:
    """Say with how many seeds candidates are fine-tuned that stand nowhere else on the page."""
    count = study.plan.seeds.candidates
    told = f"{count} {'seed' if count == 1 else 'seeds'}"
    return (
        f"Candidates that stand in no other table are fine-tuned with {told} only, the others with all seeds there are."
    )


def _of(dataset: str, found: list[Confirmed]) -> str:
    columns = ["backbone", "layers", *SCORES.values(), "fine-tuned", "seeds", "training"]
    tau = [
        f"{SCORES[score]} {value:+.2f}" if value is not None else f"{SCORES[score]} {NONE}"
        for score, value in agreement(found).items()
    ]
    told = f"Agreement with fine-tuning over {len(found)} candidates (Kendall's tau-b): {', '.join(tau)}."
    return "\n\n".join([f"### {dataset}", table(columns, list(_rows(found))), told])


def _rows(found: list[Confirmed]) -> Iterator[list[str]]:
    for one in found:
        scores = one.candidate
        yield [
            scores["backbone"],
            "all" if scores["layers"] is None else str(scores["layers"]),
            f"{scores['logme']:.4f}",
            NONE if scores["h_score"] is None else f"{scores['h_score']:.4f}",
            NONE if scores["probe"] is None else percent(scores["probe"]),
            spread(one.accuracies),
            str(len(one.accuracies)),
            f"`{one.training}`",
        ]


def summary(study: Study) -> dict[str, dict[str, Any]]:
    """Return for each data set how many candidates were fine-tuned and each score's agreement, for `transfer rank`."""
    found = {dataset: confirmed(study, dataset) for dataset in study.plan.backbones}
    return {name: {"candidates": len(some), "tau_b": agreement(some)} for name, some in found.items() if len(some) > 1}


def ranks(folder: Path, datasets: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Read what `transfer rank` wrote of these data sets in a study's folder."""
    paths = {name: folder / ".local" / "rank" / f"{name}.json" for name in datasets}
    return {name: list(read_json(path)["candidates"]) for name, path in paths.items() if path.exists()}
