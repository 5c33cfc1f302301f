"""Whether answers owe anything to what was learnt, or chance would have given them as well.

Learnt is from half of the samples, asked are the others, whole groups at a time. The answers are judged against the
labels dealt out anew, by runs that stay together within groups as the true ones do (a permutation test: Good,
Permutation, Parametric and Bootstrap Tests of Hypotheses, 2005). Answers of several folds would not do: they depend on
one another, and chance would beat them too seldom.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from tasks.leaks.folds import FOLDS, half, numbered
from tasks.objectives import Array

DEALS = 999
RARE = 0.002
"""What a true score may at most be beaten by: with half a dozen checks, one false alarm in eighty data sets."""
MARGIN = 0.1
"""How far from chance to certainty an answer must be: what tells less is of no consequence for a score."""


class Told(NamedTuple):
    """How well a trace tells the label, what chance would, and the share of deals that tell it as well."""

    score: float
    chance: float
    rare: float

    @property
    def alarming(self) -> bool:
        """Tell whether it is neither chance nor a trifle."""
        return self.rare <= RARE and self.score - self.chance >= MARGIN * (1 - self.chance)


class Asked(NamedTuple):
    """The samples looked at: labels as text or float64 [N], their groups int64 [N]."""

    labels: Array
    groups: Array
    seed: int

    @property
    def classes(self) -> bool:
        """Tell whether labels are classes, not numbers."""
        return self.labels.dtype.kind in "iU"


def asked(samples: pd.DataFrame, seed: int) -> tuple[Asked, Array]:
    """Return what to look at, and bool [N] which of the samples: classes too rare for folds are left out."""
    labels, groups = samples["label"], numbered(samples["group"])
    kept = np.ones(len(samples), bool)
    if labels.dtype.kind != "f":
        labels = labels.astype(str)
        several = pd.Series(groups, index=labels.index).groupby(labels).transform("nunique")
        kept = (several >= FOLDS).to_numpy()
        return Asked(labels.to_numpy(str)[kept], groups[kept], seed), kept
    return Asked(labels.to_numpy(np.float64), groups, seed), kept


def tell(inputs: Array, estimator: Any, to: Asked) -> Told | None:
    """Learn from half of the groups, ask about the other and judge the answers; None where it cannot be halved."""
    halves = half(to.labels, to.groups, to.seed)
    if halves is None:
        return None
    known, about = halves
    answers = estimator.fit(inputs[known], to.labels[known]).predict(inputs[about])
    generator, score = np.random.default_rng(to.seed), _recall if to.classes else _rank
    classes, truth = np.unique(to.labels[about], return_inverse=True)
    given = np.searchsorted(classes, answers)
    if not to.classes:
        given, truth = rankdata(answers), rankdata(to.labels[about])
    own = score(given, truth)
    dealt = np.array([score(given, deal(truth, to.groups[about], generator)) for _ in range(DEALS)])
    chance = 1 / len(np.unique(truth)) if to.classes else 0.0
    return Told(own, chance, float((1 + (dealt >= own).sum()) / (1 + DEALS)))


def _recall(given: Array, truth: Array) -> float:
    """Return the mean over classes of the share that is answered rightly."""
    counts = np.bincount(truth)
    return float((np.bincount(truth[given == truth], minlength=len(counts)) / counts).mean())


def _rank(given: Array, truth: Array) -> float:
    """Return the correlation of two ranks; 0 where one does not vary."""
    if np.ptp(given) == 0 or np.ptp(truth) == 0:
        return 0.0
    return float(np.corrcoef(given, truth)[0, 1])


def deal(labels: Array, groups: Array, generator: np.random.Generator) -> Array:
    """Return the labels dealt out anew: groups in a new order hand theirs to groups in another order.

    Labels that stood together in a group stay nearly together, so that a deal is as lumpy as the truth.
    """
    dealt = np.empty_like(labels)
    dealt[_order(groups, generator)] = labels[_order(groups, generator)]
    return dealt


def _order(groups: Array, generator: np.random.Generator) -> Array:
    places = generator.permutation(int(groups.max()) + 1)
    return np.lexsort((generator.random(len(groups)), places[groups]))
