"""`transfer tune`: a search of params.yaml, trial by trial, and the training it finds."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows import console
from tasks import config, params_file, progress, ranges
from tasks.config import PARAMS
from tasks.errors import ConfigError
from tasks.schema import Config, DeepTraining, Search
from tasks.workspace import Workspace

if TYPE_CHECKING:
    from tasks.experiments.trials import Tried

SHOWN = 5


def tune(root: Path, name: str, trials: int | None, minutes: float | None) -> None:
    """Run what is left of a data set's search, write the training it found into params.yaml and say what to do next.

    `trials` takes the place of the declared number; no trial begins after `minutes`.
    """
    loaded = config.load(root)
    dataset, search = config.dataset(loaded, name), _declared(loaded, name)
    training, workspace = config.training(loaded, search.training), Workspace(root, name)
    assert isinstance(training, DeepTraining)  # noqa: S101 - config.load has seen to it
    from tasks.experiments.measure import measure
    from tasks.experiments.measurements import check_ground
    from tasks.experiments.tune import tune as go_on

    deadline = time.monotonic() + (60 * minutes if minutes else float("inf"))
    wanted = search.model_copy(update={"trials": trials or search.trials})
    with workspace.locked(f"tune {name}"):
        check_ground(dataset, workspace)
        try:
            over = go_on(wanted, training, workspace, deadline, measure, Teller(wanted, training, deadline).tell)
        except KeyboardInterrupt:
            console.failure(f"interrupted; nothing is lost, transfer tune {name} goes on from here")
            sys.exit(130)
        _table(training, over.ranked()[:SHOWN], list(search.ranges))
        console.out.print(_written(root, name, training, over.ranked()[0], len(over.tried())), markup=False)


def _declared(loaded: Config, name: str) -> Search:
    if name not in loaded.searches:
        known = ", ".join(loaded.searches) or "none yet"
        raise ConfigError(f"{PARAMS}: searches has no {name}; write such a section (there are: {known})")
    return loaded.searches[name]


class Teller:
    """Tells of each trial on standard error, and how long the rest will take."""

    def __init__(self, search: Search, training: DeepTraining[Any], deadline: float) -> None:
        self.search, self.training, self.deadline = search, training, deadline

    def tell(self, tried: "list[Tried]", best: "Tried") -> None:
        """Print one line about the last of the trials that are over."""
        last = tried[-1]
        seconds = sum(trial.seconds for trial in tried) / len(tried) * (self.search.trials - len(tried))
        left = max(min(seconds, self.deadline - time.monotonic()), 0.0)
        told = [
            f"trial {len(tried)}/{self.search.trials}",
            _changes(last),
            _outcome(last, self.training),
            f"best {best.score:.4f} (trial {best.number})",
            f"{console.duration(left)} left" if self.search.trials > len(tried) else "",
        ]
        progress.note("  ".join(part for part in told if part))


def _changes(trial: "Tried") -> str:
    return ", ".join(f"{key} {value}" for key, value in trial.changes.items()) or "as it stands"


def _outcome(trial: "Tried", training: DeepTraining[Any]) -> str:
    if trial.failure:
        return f"failed: {trial.failure.splitlines()[-1]}"
    score = f"{training.monitor} {trial.score:.4f}"
    return f"{score}, pruned after epoch {trial.epoch}" if trial.pruned else score


def _table(training: DeepTraining[Any], found: "list[Tried]", keys: list[str]) -> None:
    rows = []
    for trial in found:
        values = [trial.changes.get(key, ranges.held(training, key)) for key in keys]
        rows.append([trial.number, f"{trial.score:.4f}", *values, trial.epoch, console.duration(trial.seconds)])
    console.table(
        f"The best trials of {training.name} (1: as it stands)",
        ["trial", f"validation {training.monitor}", *keys, "epochs", "time"],
        rows,
    )


def _written(root: Path, name: str, training: DeepTraining[Any], best: "Tried", over: int) -> str:
    """Write the best trial down as a training, unless it is the one there was; return what to tell."""
    result = f"validation {training.monitor} {best.score:.3f} after {over} trials"
    if not best.changes:
        return f"nothing is written: no trial beats {training.name} as it stands ({result})"
    if config.load(root).trainings.get(training.name) != training:
        raise ConfigError(f"{PARAMS}: {training.name} was changed meanwhile; run transfer tune {name} again")
    found = f"{name}-tuned"
    comment = f"found by transfer tune {name}: {result}"
    listed = params_file.add_training(root / PARAMS, found, training.name, best.changes, comment)
    told = f"written   {PARAMS}: trainings.{found} ({result})"
    if listed:
        return f"{told}, listed in datasets.{name}.evaluate.trainings\nnext      transfer run {name}"
    mend = f"add {found} to datasets.{name}.evaluate.trainings, which other data sets share"
    return f"{told}\nnext      {mend}; then transfer run {name}"
