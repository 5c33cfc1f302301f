"""What is to be seen in a study's numbers, found by rule: a sentence stands on the page only while it holds."""

from collections.abc import Iterator

import numpy as np

from tasks.evaluation.bootstrap import Interval
from tasks.study.numbers import Study
from tasks.study.tables import gain as gained
from tasks.study.tables import labelled, percent, points, strategy

SCRATCH = "scratch"


def of_dataset(study: Study, dataset: str) -> Iterator[str]:
    """Say which strategies differ from the frozen head, and from scratch, by more than chance in the test split."""
    names = study.measured(study.plan.trainings_of(dataset))
    if len(names) < 2:
        return
    best = max(names, key=study.mean)
    yield f"Highest mean: {strategy(study, best)}, {percent(study.mean(best))}."
    for other, called in ((f"{dataset}-head", "the frozen head"), (f"{dataset}-{SCRATCH}", SCRATCH)):
        gains = {strategy(study, name): study.difference(name, other) for name in names}
        told = _sorted({name: gain for name, gain in gains.items() if gain is not None})
        if told:
            yield f"Against {called}, {told}."


def _sorted(gains: dict[str, Interval]) -> str:
    """Sort strategies by whether their interval lies above 0, around it or below it."""
    kinds: dict[str, list[str]] = {"better": [], "not told apart": [], "worse": []}
    for name, gain in gains.items():
        low, high, value = gain["low"] or 0.0, gain["high"] or 0.0, gain["value"] or 0.0
        kind = "better" if low > 0 else "worse" if high < 0 else "not told apart"
        kinds[kind].append(f"{name} {points(value)}")
    return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names)


def of_curves(study: Study, dataset: str) -> Iterator[str]:
    """Say how few labels reach what scratch reaches with all, who leads when, and how that lead changes."""
    scratch = f"{dataset}-{SCRATCH}"
    names = study.plan.curves_of(dataset)
    for name in (name for name in names if name != scratch):
        yield from _few_labels(study, name, scratch)
    if f"{dataset}-head" in names:
        for name in (name for name in names if name not in (f"{dataset}-head", scratch)):
            yield from _who_leads(study, name, f"{dataset}-head")
    for name in (name for name in names if name != scratch):
        yield from _lead(study, name, scratch)


def _few_labels(study: Study, name: str, scratch: str) -> Iterator[str]:
    aim = study.mean(scratch)
    reached = [share for share, mean in _line(study, name).items() if share < 1 and mean >= aim]
    if reached:
        told = percent(_line(study, name)[min(reached)])
        yield (
            f"With {labelled(min(reached))} of the labels {strategy(study, name)} reaches {told}; "
            f"scratch reaches {percent(aim)} with all of them."
        )


def _who_leads(study: Study, ours: str, theirs: str) -> Iterator[str]:
    gaps = _gaps(study, ours, theirs)
    shares, ahead = sorted(gaps), [gaps[share] > 0 for share in sorted(gaps)]
    one, other = strategy(study, ours), strategy(study, theirs)
    if len(shares) < 2:
        return
    if len(set(ahead)) == 1:
        leader, second = (one, other) if ahead[0] else (other, one)
        yield f"{leader.capitalize()} is ahead of {second} at each share."
    elif ahead == sorted(ahead):
        turn = ahead.index(True)
        below, above = labelled(shares[turn - 1]), labelled(shares[turn])
        yield f"Up to {below} of the labels {other} is ahead of {one}, from {above} on {one} is."


def _lead(study: Study, ours: str, theirs: str) -> Iterator[str]:
    gaps = _gaps(study, ours, theirs)
    if len(gaps) > 1 and 1.0 in gaps and gaps[min(gaps)] > gaps[1.0]:
        yield (
            f"The lead of {strategy(study, ours)} over {strategy(study, theirs)} is {points(gaps[min(gaps)])} points "
            f"with {labelled(min(gaps))} of the labels and {points(gaps[1.0])} with all."
        )


def _gaps(study: Study, ours: str, theirs: str) -> dict[float, float]:
    """Return by how much ours is ahead at each share at which both are measured."""
    one, other = _line(study, ours), _line(study, theirs)
    return {share: one[share] - other[share] for share in one if share in other}


def _line(study: Study, training: str) -> dict[float, float]:
    """Return the mean accuracy at each share that is measured."""
    shares = [*study.plan.curves.shares, 1.0]
    return {share: study.mean(training, share) for share in shares if study.records(training, share)}


def of_splits(study: Study) -> Iterator[str]:
    """Say by how much the random split flatters, where it does for each training measured on both."""
    both = {name: other for name in study.plan.recipes if study.records(name) and (other := study.grouped(name))}
    gaps = {name: study.mean(name) - study.mean(other) for name, other in both.items()}
    if gaps and min(gaps.values()) > 0:
        told = ", ".join(f"{strategy(study, name)} by {points(gap)} points" for name, gap in gaps.items())
        yield f"On the random split each looks better: {told}."
    for name, other in both.items():
        inside, outside = study.interval(name), study.interval(other)
        if (inside["low"] or 0.0) <= (outside["high"] or 0.0):
            yield f"The two intervals of {strategy(study, name)} overlap: the test splits are small."


def of_shifts(study: Study) -> Iterator[str]:
    """Say how far accuracy falls from the own domain to the other, and who is better there."""
    falls: dict[str, dict[str, float]] = {}
    for name in study.measured(study.plan.shifts):
        own = float(np.mean(study.values(name, "accuracy", split="validation")))
        falls.setdefault(study.params.trainings[name].dataset, {})[strategy(study, name)] = study.mean(name) - own
    for dataset, changes in falls.items():
        told = ", ".join(f"{name} {points(change)}" for name, change in changes.items())
        yield f"`{dataset}`: from the own domain to the other, in points: {told}."
    for dataset, changes in falls.items():
        for name in (name for name in changes if name != "head" and "head" in changes):
            gain = study.difference(f"{dataset}-{name}", f"{dataset}-head")
            low, high = (gain["low"] or 0.0, gain["high"] or 0.0) if gain else (0.0, 0.0)
            kind = "is better than" if low > 0 else "is worse than" if high < 0 else "is not told apart from"
            if gain:
                yield f"`{dataset}`: on the other domain {name} {kind} the head: {gained(gain)}."
