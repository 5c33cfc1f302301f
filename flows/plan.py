"""Decides which stages of a data set must run, and why: fresh means what `dvc status` says."""

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

    def reasons(self, step: Step) -> Reasons:
        """Return why `step` must run now, or nothing if it is fresh.

        Where an input was rewritten in this run, its recorded md5 decides. What DVC said before this run of anything
        else still holds; only where neither decides (a folder that holds several outputs) DVC is asked again.
        """
        known = versioning.dependency_hashes(versioning.recorded(self.root, step.name))
        moved = [path for path, digest in known.items() if self.rewritten.get(path, digest) != digest]
        if moved:
            return dict.fromkeys(moved, "modified")
        said = self.stale.get(step.name, {})
        if any(not self._touched(what) for what in said):
            return said
        unclear = any(self._touched(path) and path not in self.rewritten for path in known)
        if said or unclear:
            return versioning.status(self.root, [step.name]).get(step.name, {})
        return {}

    def ran(self, step: Step) -> None:
        """Take note of what a step that ran and was recorded has written."""
        self.rewritten |= versioning.output_hashes(versioning.recorded(self.root, step.name))

    def _touched(self, path: str) -> bool:
        """Tell whether `path` was written in this run, or something below it."""
        return any(output == path or output.startswith(f"{path}/") for output in self.rewritten)


def make(root: Path, config: Config, datasets: list[str]) -> Plan:
    """Ask DVC, once, which stages of `datasets` are stale."""
    names = [step.name for dataset in datasets for step in steps(config, dataset)]
    return Plan(root, versioning.status(root, names))


WORDS = {"modified": "changed", "new": "is new", "deleted": "is gone"}


def explain(reasons: Reasons) -> str:
    """Say in a few words why a stage is stale: the first two changes, and how many others."""
    told = [f"{what} {WORDS.get(how, how)}" for what, how in reasons.items()]
    more = f" and {len(told) - 2} more" if len(told) > 2 else ""
    return ", ".join(told[:2]) + more
