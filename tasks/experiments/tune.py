"""tune: look for a better training of a data set, trial by trial, judged on its validation split alone."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from optuna.trial import Trial

from tasks import ranges
from tasks.errors import TrainingError, TransferError
from tasks.experiments import measure
from tasks.experiments.measure import Measured, Part
from tasks.experiments.trials import Trials, Tried
from tasks.modalities.shards import Prepared
from tasks.neural.training import Listener
from tasks.records import journal, tracking
from tasks.records.journal import Run
from tasks.schema import DeepTraining, Search
from tasks.workspace import Workspace

Measure = Callable[[Any, Workspace, Part, Listener], Measured]
"""Trains and scores a training: measure.measure, or what stands in for it in a test."""
SEARCH = "search"
"""The tag that ties a run to its search, so that a search taken up again is one run."""


class _Behind(Exception):  # noqa: N818 - no error: what ends a trial that stays behind the others
    """A trial is cut short."""


class Searching(NamedTuple):
    """A search at work: its trials, where its data is, and who measures."""

    trials: Trials
    workspace: Workspace
    measure: Measure


def tune(
    search: Search,
    training: DeepTraining[Any],
    workspace: Workspace,
    deadline: float,
    measure: Measure,
    told: Callable[[list[Tried], Tried], None],
) -> Trials:
    """Try what is left of a search's trials, none begun after `deadline` (of time.monotonic); return all of them.

    Goes on where an earlier call was stopped. After each trial `told` gets all that are over and the best. Each is a
    run below the run of the search. Raises what the training as it stands raises; a changed one that cannot be trained
    is a trial that failed. Reads the train and validation splits alone.
    """
    searching = Searching(Trials(search, training, workspace), workspace, measure)
    if len(searching.trials.tried()) < search.trials:
        _go_on(searching, deadline, told)
        tracking.finish(workspace.root)
    return searching.trials


def _go_on(searching: Searching, deadline: float, told: Callable[[list[Tried], Tried], None]) -> None:
    trials, whole = searching.trials, _run_of(searching)
    try:
        while len(over := trials.tried()) < trials.search.trials and (not over or time.monotonic() < deadline):
            _try_next(searching, len(over) + 1, whole)
            best = trials.ranked()[0]
            whole.metrics({f"best_validation_{trials.training.monitor}": best.score}, len(over) + 1)
            tracking.deliver(searching.workspace.root)
            told(trials.tried(), best)
    except BaseException as error:
        whole.end(_status(error))
        raise
    whole.end("FINISHED")


def _try_next(searching: Searching, number: int, whole: Run) -> None:
    """Train the next trial and write down how it ended."""
    trials, workspace = searching.trials, searching.workspace
    trial, changes = trials.ask()
    try:
        params = ranges.changed(trials.training, changes)
    except TransferError as error:
        trials.fail(trial, str(error))
        return
    run = Run.start(workspace, f"{_label(trials)} {number}", params.model_dump(mode="json"), whole)
    try:
        score = _score(searching, params, _listener(trials, trial, params, run))
    except _Behind:
        trials.end(trial, None)
        run.tags({"pruned": "true"})
        run.end(journal.KILLED)
    except BaseException as error:
        run.end(_status(error))
        if number == 1 or not isinstance(error, Exception):
            raise
        trials.fail(trial, str(error) or type(error).__name__)
    else:
        trials.end(trial, score)
        run.end("FINISHED")


def _score(searching: Searching, params: DeepTraining[Any], listen: Listener) -> float:
    """Train and return the finished network's score on validation; the rows of the test split stay out of it."""
    workspace = searching.workspace
    part = measure.closed(measure.declared(Prepared(workspace.prepared), params.name))
    score = searching.measure(params, workspace, part, listen).scores["validation"][params.monitor]
    if score is None:
        raise TrainingError(f"{params.name}: {params.monitor} is undefined on the validation split; choose another")
    return score


def _listener(trials: Trials, trial: Trial, params: DeepTraining[Any], run: Run) -> Listener:
    """Return what is done after each epoch: remember it, and cut the trial short where it stays behind."""

    def listen(scores: dict[str, float | None], epoch: int) -> None:
        run.metrics(journal.epoch_metrics(scores), epoch)
        score = scores[params.monitor]
        if score is not None and trials.report(trial, score, epoch) and epoch < params.epochs:
            raise _Behind

    return listen


def _run_of(searching: Searching) -> Run:
    """Return the run of the whole search: a new one, or the one that an earlier call began."""
    trials, workspace = searching.trials, searching.workspace
    known = journal.tagged(workspace, _label(trials), SEARCH, trials.name)
    if known is not None:
        return known
    run = Run.start(workspace, _label(trials), trials.search.model_dump(mode="json"))
    run.tags({SEARCH: trials.name})
    return run


def _label(trials: Trials) -> str:
    return f"{trials.training.name} search"


def _status(error: BaseException) -> str:
    return journal.KILLED if isinstance(error, KeyboardInterrupt) else "FAILED"
