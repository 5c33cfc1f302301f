"""Which pictures a study has, and what is drawn in each."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure

from tasks.study import curves, plots
from tasks.study.curves import Point
from tasks.study.numbers import Study
from tasks.study.plots import Pair
from tasks.study.tables import share_samples, strategy

CURVES, SPLITS, SHIFTS = "curves", "splits", "shifts"


def pictures(study: Study) -> dict[str, Figure]:
    """Draw what there is to draw: a picture per data set by its name, curves, splits and shifts."""
    drawn = dict(_of_datasets(study))
    panels = {name: lines for name in study.plan.curves.trainings if (lines := _lines(study, name))}
    if panels:
        drawn[CURVES] = curves.curves(panels, "Accuracy on the test split by how many labels there are")
    if study.measured(study.plan.recipes):
        legend = ("whole groups apart", "at random")
        drawn[SPLITS] = plots.pairs(list(_splits(study)), legend, "Accuracy on the test split, by how it is split")
    if study.measured(study.plan.shifts):
        legend = ("other domain (test)", "own domain (validation)")
        drawn[SHIFTS] = plots.pairs(list(_shifts(study)), legend, "Accuracy on the own and on another domain")
    return drawn


def _of_datasets(study: Study) -> Iterator[tuple[str, Figure]]:
    for name in study.plan.strategies:
        trainings = study.measured(study.plan.trainings_of(name))
        values = {strategy(study, training): study.values(training, "accuracy") for training in trainings}
        if values:
            yield name, plots.strategies(values, f"{name}: accuracy on the test split, a faint mark per seed")


def _lines(study: Study, dataset: str) -> dict[str, Sequence[Point]]:
    """Return the points of each curve of a data set; none while no share below the whole is measured."""
    names = study.plan.curves_of(dataset)
    lines: dict[str, Sequence[Point]] = {}
    shares = [*study.plan.curves.shares, 1.0]
    if not any(study.records(name, share) for name in names for share in study.plan.curves.shares):
        return {}
    for name in names:
        told = [(share, study.values(name, "accuracy", share)) for share in shares]
        points = [Point(share, share_samples(study, names, share), values) for share, values in told if values]
        if points:
            lines[strategy(study, name)] = points
    return lines


def _splits(study: Study) -> Iterator[Pair]:
    for name in study.measured(study.plan.recipes):
        grouped, aim = study.grouped(name), study.plan.aims.get(name, {}).get("accuracy")
        hollow = study.mean(grouped) if grouped else None
        yield Pair(name, study.params.trainings[name].strategy, hollow, study.mean(name), aim)


def _shifts(study: Study) -> Iterator[Pair]:
    for name in study.measured(study.plan.shifts):
        own = float(np.mean(study.values(name, "accuracy", split="validation")))
        yield Pair(name, study.params.trainings[name].strategy, study.mean(name), own, None)
