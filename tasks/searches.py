"""Whether a search of params.yaml can begin, and whether every range of it makes trainings."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tasks import ranges
from tasks.errors import ConfigError, did_you_mean
from tasks.schema import Config, DeepTraining, Interval, Search

Misfits = Callable[[DeepTraining[Any]], Iterable[str]]
"""Tells the keys of a training that do not fit one another."""


def faults(config: Config, name: str, misfits: Misfits) -> Iterator[str]:
    """Tell what is wrong with the search of data set `name`: its key and why."""
    search, own = config.searches[name], [key for key, entry in config.trainings.items() if entry.dataset == name]
    training = config.trainings.get(search.training)
    if name not in config.datasets:
        known = list(config.datasets)
        yield f"searches.{name}: no {name!r} under datasets; there are {known}{did_you_mean(name, known)}"
    elif training is None or search.training not in own:
        yield f"searches.{name}.training: {search.training!r} is no training of {name}; there are {own}"
    elif not isinstance(training, DeepTraining):
        yield f"searches.{name}.training: {search.training} tries its strengths by itself; name one that has epochs"
    else:
        for key in search.ranges:
            found = list(_unfit(search, training, key)) or _impossible(search, training, key, misfits)
            yield from (f"searches.{name}.ranges.{key}: {fault}" for fault in found)


def _unfit(search: Search, training: DeepTraining[Any], key: str) -> Iterator[str]:
    """Tell why a key is not to be searched, or not so."""
    known, span = list(ranges.keys(training.model_dump())), search.ranges[key]
    if key in ranges.IDENTITY:
        yield "makes the training what it is; search what it holds"
    elif key not in known:
        yield f"{training.name} has no such key{did_you_mean(key, known)}"
    elif key == "monitor" or (key.split(".")[0] == "loss" and training.monitor == "loss"):
        yield "changes what the trials are compared by"
    elif key == "seed":
        yield "the luckiest seed makes no better training"
    elif isinstance(span, Interval):
        yield from _unfit_interval(span, training, key)
    elif all(_outcome(training, key, choice) != training for choice in span.choices):
        yield f"choices must hold {ranges.held(training, key)!r} too, with which {training.name} starts"


def _unfit_interval(span: Interval, training: DeepTraining[Any], key: str) -> Iterator[str]:
    start = ranges.held(training, key)
    if isinstance(start, bool) or not isinstance(start, int | float):
        yield f"{training.name} holds {start!r}, no number; write choices"
        return
    if not span.low < span.high:
        yield f"low {span.low} is not below high {span.high}"
    if span.log and span.low <= 0:
        yield f"low {span.low}: a range with log begins above 0"
    if isinstance(start, int) and not (isinstance(span.low, int) and isinstance(span.high, int)):
        yield f"holds whole numbers, and so must low {span.low} and high {span.high}"
    if not span.low <= start <= span.high:
        yield f"{span.low} to {span.high} must hold {start} too, with which {training.name} starts"


def _impossible(search: Search, training: DeepTraining[Any], key: str, misfits: Misfits) -> Iterator[str]:
    """Tell which ends or choices of a range make no training, and why."""
    span = search.ranges[key]
    for value in [span.low, span.high] if isinstance(span, Interval) else span.choices:
        try:
            yield from misfits(ranges.changed(training, {key: value}))
        except ConfigError as error:
            yield str(error).removeprefix(f"{key}: ")


def _outcome(training: DeepTraining[Any], key: str, choice: Any) -> Any:
    try:
        return ranges.changed(training, {key: choice})
    except ConfigError:
        return None
