"""What docs/results.md reports: the rows of study/plan.yaml."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import ValidationError

from tasks import config
from tasks.errors import ConfigError, did_you_mean
from tasks.schema import Config, Count, Section, Share

PLAN = "plan.yaml"
Aim = Literal["accuracy", "balanced_accuracy", "macro_f1", "roc_auc"]


class Row(NamedTuple):
    """A training measured on the test split with so many seeds, on a share of the train split."""

    training: str
    share: float
    seeds: int

    def command(self) -> list[str]:
        """Return the arguments of `transfer` that measure it."""
        share = [] if self.share == 1 else ["--share", f"{self.share:g}"]
        return ["measure", self.training, "--seeds", str(self.seeds), "--test", *share]


class Seeds(Section):
    """With how many seeds rows are measured.

    `rows` each, but `curves` where only a share of the labels is learnt from, and `candidates` what only fine-tunes a
    candidate.
    """

    rows: Count
    curves: Count
    candidates: Count


class Curves(Section):
    """Shares of the train split, and of each data set the trainings that are drawn over them."""

    shares: list[Share]
    trainings: dict[str, list[str]]


class Plan(Section):
    """The trainings of each data set side by side, recipes with an aim, looks at other domains, curves over labels.

    A training is called by its data set and its strategy, `solar-cells-full`, or by its name. `about`: of each data
    set what it holds, in words. `backbones`: of a data set the trainings that fine-tune the candidates of `transfer
    rank`; those of them that stand nowhere else are measured with seeds of their own. `beside`: of a data set with a
    random split the one whose split keeps groups whole. `aims`: of a training what its metrics should reach on the
    test split, as shares.
    """

    seeds: Seeds
    about: dict[str, str]
    strategies: dict[str, list[str]]
    shifts: list[str]
    recipes: list[str]
    backbones: dict[str, list[str]]
    beside: dict[str, str]
    aims: dict[str, dict[Aim, Share]]
    curves: Curves

    def trainings(self) -> Iterator[str]:
        """Yield every training that learns from the whole train split, in the order they are measured."""
        yield from self._compared()
        yield from self.candidates()

    def candidates(self) -> list[str]:
        """Return the trainings that fine-tune a candidate of `transfer rank` and stand nowhere else."""
        compared = set(self._compared())
        return [one for trainings in self.backbones.values() for one in trainings if one not in compared]

    def _compared(self) -> Iterator[str]:
        yield from self.shifts
        for dataset in self.strategies:
            yield from self.trainings_of(dataset)
        yield from self.recipes

    def trainings_of(self, dataset: str) -> list[str]:
        """Return the trainings of a data set that stand side by side."""
        return [f"{dataset}-{strategy}" for strategy in self.strategies[dataset]]

    def curves_of(self, dataset: str) -> list[str]:
        """Return the trainings of a data set whose curves are drawn."""
        return [f"{dataset}-{strategy}" for strategy in self.curves.trainings[dataset]]

    def rows(self) -> Iterator[Row]:
        """Yield all that is measured, with all its seeds: whole train splits first, then shares of them."""
        few = set(self.candidates())
        for training in self.trainings():
            yield Row(training, 1.0, self.seeds.candidates if training in few else self.seeds.rows)
        for dataset in self.curves.trainings:
            for training in self.curves_of(dataset):
                yield from (Row(training, share, self.seeds.curves) for share in self.curves.shares)

    def rounds(self) -> list[Row]:
        """Return the rows in the order they are measured: the first seed of all, then the second, and so on.

        The recipes come first in each round: they take longest, and none of them should be left to the end alone.
        """
        rows = sorted(self.rows(), key=lambda row: row.training not in self.recipes)
        last = max(row.seeds for row in rows)
        return [row._replace(seeds=seed) for seed in range(1, last + 1) for row in rows if seed <= row.seeds]


def read_plan(study: Path) -> Plan:
    """Read plan.yaml; ConfigError where it is no plan or names what params.yaml beside it has not."""
    loaded = config.load(study)
    try:
        plan = Plan.model_validate(config.read_yaml(study / PLAN))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{PLAN}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    for row in plan.rows():
        config.training(loaded, row.training)
    _check_names(plan, loaded)
    return plan


def _check_names(plan: Plan, loaded: Config) -> None:
    """Raise ConfigError where the plan speaks of a data set there is none of or of a training it does not measure."""
    for name in (*plan.about, *plan.backbones, *plan.beside, *plan.beside.values()):
        config.dataset(loaded, name)
    measured = list(plan.trainings())
    for name in plan.aims:
        if name not in measured:
            near = did_you_mean(name, measured)
            raise ConfigError(f"{PLAN}: aims.{name}: no row of the plan measures it; name it under recipes{near}")
