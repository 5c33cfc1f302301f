"""The trials of a search, on disk: what was tried, what it was worth and what to try next."""

import warnings
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from tasks import ranges
from tasks.schema import Choices, DeepTraining, Search
from tasks.workspace import FILES, Workspace, digest, sha256_of

DIGITS = 3
"""A number is tried as it will be written down: with so many digits that count."""
FAILURE = "failure"


class Tried(NamedTuple):
    """A trial that is over: its changes (none: the training as it stands), its score by the training's monitor on
    validation (the latest one, where it was cut short), its last epoch and its seconds; why it failed, if it did.
    """

    number: int
    changes: dict[str, Any]
    score: float | None
    pruned: bool
    failure: str
    epoch: int
    seconds: float


class Trials:
    """The trials of one search; those of another search, training or prepared data are others.

    They lie in .local/tune/DATASET.db, as numbers and JSON. A trial that never ended was killed: it does not count, and
    the same one is asked again, since what is drawn depends on the seed, the trial's number and those before it alone.
    """

    def __init__(self, search: Search, training: DeepTraining[Any], workspace: Workspace) -> None:
        self.search, self.training = search, training
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        folder = workspace.local / "tune"
        folder.mkdir(parents=True, exist_ok=True)
        self.study = optuna.create_study(
            storage=f"sqlite:///{folder.resolve() / workspace.name}.db",
            study_name=f"{training.name} {_digest(search, training, workspace)}",
            direction="minimize" if training.monitor == "loss" else "maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=search.startup, n_warmup_steps=search.warmup_epochs),
            load_if_exists=True,
        )
        for trial in self._ended(TrialState.RUNNING):
            self.study.tell(trial.number, state=TrialState.FAIL)

    @property
    def name(self) -> str:
        """The training the search starts from, and a digest of all that makes this search another than others."""
        return self.study.study_name

    def tried(self) -> list[Tried]:
        """Return the trials that are over, in their order."""
        return [self._told(number, trial) for number, trial in enumerate(self._over(), start=1)]

    def ranked(self) -> list[Tried]:
        """Return the trials that were not cut short and did not fail, best first; of equals the earliest."""
        sign = 1 if self.training.monitor == "loss" else -1
        ended = [trial for trial in self.tried() if trial.score is not None and not trial.pruned and not trial.failure]
        return sorted(ended, key=lambda trial: sign * (trial.score or 0.0))

    def ask(self) -> tuple[Trial, dict[str, Any]]:
        """Draw the next trial; return it and its changes by dotted key. The first is the training as it stands."""
        number, search = len(self._over()) + 1, self.search
        seed = int(np.random.SeedSequence([search.seed, number]).generate_state(1)[0])
        self.study.sampler = TPESampler(n_startup_trials=search.startup, seed=seed)
        if number == 1 and not self._ended(TrialState.WAITING):
            self.study.enqueue_trial({key: self._start(key) for key in search.ranges})
        trial = self.study.ask({key: self._distribution(key) for key in search.ranges})
        for killed in self._ended(TrialState.FAIL):
            # Its training goes on behind its last checkpoint, and what it had reported is not reported again.
            for epoch, score in killed.intermediate_values.items() if killed.params == trial.params else ():
                self.report(trial, score, epoch)
        return trial, self._changes(number, trial.params)

    def report(self, trial: Trial, score: float, epoch: int) -> bool:
        """Remember a trial's score after an epoch; tell whether to cut it short."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that this epoch was reported before
            trial.report(score, epoch)
        return trial.should_prune()

    def end(self, trial: Trial, score: float | None) -> None:
        """Remember that a trial is over, with its score, or cut short (null)."""
        if score is None:
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, score)

    def fail(self, trial: Trial, reason: str) -> None:
        """Remember that a trial cannot be trained, and why."""
        trial.set_user_attr(FAILURE, reason)
        self.study.tell(trial, state=TrialState.FAIL)

    def _ended(self, *states: TrialState) -> list[FrozenTrial]:
        return self.study.get_trials(states=states)

    def _over(self) -> list[FrozenTrial]:
        ended = self._ended(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
        return [trial for trial in ended if trial.state != TrialState.FAIL or FAILURE in trial.user_attrs]

    def _told(self, number: int, trial: FrozenTrial) -> Tried:
        steps = trial.intermediate_values
        last = max(steps, default=0)
        return Tried(
            number=number,
            changes=self._changes(number, trial.params),
            score=trial.value if trial.state == TrialState.COMPLETE else steps.get(last),
            pruned=trial.state == TrialState.PRUNED,
            failure=trial.user_attrs.get(FAILURE, ""),
            epoch=last,
            seconds=trial.duration.total_seconds() if trial.duration else 0.0,
        )

    def _distribution(self, key: str) -> BaseDistribution:
        span = self.search.ranges[key]
        if isinstance(span, Choices):
            return CategoricalDistribution(range(len(span.choices)))
        if isinstance(ranges.held(self.training, key), int):
            return IntDistribution(int(span.low), int(span.high), log=span.log)
        return FloatDistribution(span.low, span.high, log=span.log)

    def _start(self, key: str) -> Any:
        """Return what the training holds; of choices its place among them."""
        span = self.search.ranges[key]
        if not isinstance(span, Choices):
            return ranges.held(self.training, key)
        same = [ranges.changed(self.training, {key: choice}) == self.training for choice in span.choices]
        return same.index(True)

    def _changes(self, number: int, drawn: dict[str, Any]) -> dict[str, Any]:
        return {key: self._value(key, value) for key, value in drawn.items()} if number > 1 else {}

    def _value(self, key: str, drawn: Any) -> Any:
        span = self.search.ranges[key]
        if isinstance(span, Choices):
            return span.choices[drawn]
        return drawn if isinstance(drawn, int) else min(max(float(f"{drawn:.{DIGITS}g}"), span.low), span.high)


def _digest(search: Search, training: DeepTraining[Any], workspace: Workspace) -> str:
    """Return what tells this search from others; how many trials it has does not."""
    data = [sha256_of(folder / FILES) for folder in (workspace.prepared, workspace.features)]
    content = [search.model_dump(mode="json", exclude={"trials"}), training.model_dump(mode="json"), data]
    return digest(content)[:12]
