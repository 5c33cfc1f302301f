"""Decides which stages of a data set must run, and why: fresh means what `dvc status` says."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tasks import versioning
from tasks.schema import Config
from tasks.versioning import Reasons


@dataclass(frozen=True)
class Step:
    """One stage of one data set, or of one of its trainings: `key` is what DVC calls it by after the @."""

    stage: str
    key: str

    @property
    def name(self) -> str:
        """The stage's name in DVC."""
        return f"{self.stage}@{self.key}"


def steps(config: Config, dataset: str) -> list[Step]:
    """Return the stages of a data set in their order, a finetune stage for each training it evaluates."""
    trainings = config.datasets[dataset].evaluate.trainings
    return [
        *(Step(stage, dataset) for stage in ("ingest", "preprocess", "extract")),
        *(Step("finetune", training) for training in trainings),
        *(Step(stage, dataset) for stage in ("evaluate", "register")),
    ]


@dataclass
class Plan:
    """What is known of the freshness of a data set's stages, kept up to date while they run."""

    root: Path
    stale: dict[str, Reasons]
    rewritten: dict[str, str] = field(default_factory=dict)
    """The outputs written in this run: the md5 of each, by path."""
    changed: set[str] = field(default_factory=set)
    """Those of them that hold something else than before it."""

    def reasons(self, step: Step) -> Reasons:
        """Return why `step` must run now, or nothing if it is fresh.

        Where an input was rewritten in this run, its recorded md5 decides; of a folder that holds several outputs,
        whether one of them changed. What DVC said before this run of anything else still holds; it is asked again
        only where what it said concerns nothing but what was rewritten since.
        """
        known = versioning.dependency_hashes(versioning.recorded(self.root, step.name))
        moved = [path for path, digest in known.items() if self._moved(path, digest)]
        if moved:
            return dict.fromkeys(moved, "modified")
        said = self.stale.get(step.name, {})
        if not said or any(not _within(self.rewritten, what) for what in said):
            return said
        return versioning.status(self.root, [step.name]).get(step.name, {})

    def ran(self, step: Step, before: dict[str, str]) -> None:
        """Take note of what a step that ran and was recorded has written; `before`: its outputs' md5s until then."""
        now = versioning.output_hashes(versioning.recorded(self.root, step.name))
        self.rewritten |= now
        self.changed |= {path for path, digest in now.items() if before.get(path) != digest}

    def _moved(self, path: str, digest: str) -> bool:
        """Tell whether an input of a step that is recorded with this md5 was rewritten to something else."""
        if path in self.rewritten:
            return self.rewritten[path] != digest
        return _within(self.changed, path)


def _within(outputs: Iterable[str], path: str) -> bool:
    """Tell whether `path` is one of the outputs, or the folder of one."""
    return any(output == path or output.startswith(f"{path}/") for output in outputs)


def make(root: Path, config: Config, datasets: list[str]) -> Plan:
    """Ask DVC, once, which stages of `datasets` are stale."""
    return Plan(root, versioning.status(root, _names(config, datasets)))


def unchanged(root: Path, config: Config, datasets: list[str]) -> bool:
    """Tell whether nothing changed since DVC found all stages of `datasets` fresh."""
    return versioning.unchanged(root, _names(config, datasets))


def _names(config: Config, datasets: list[str]) -> list[str]:
    return [step.name for dataset in datasets for step in steps(config, dataset)]


WORDS = {"modified": "changed", "new": "is new", "deleted": "is gone"}


def explain(reasons: Reasons) -> str:
    """Say in a few words why a stage is stale: the first two changes, and how many others."""
    told = [f"{what} {WORDS.get(how, how)}" for what, how in reasons.items()]
    more = f" and {len(told) - 2} more" if len(told) > 2 else ""
    return ", ".join(told[:2]) + more
