"""Measures a training without keeping its model: again with another seed, on other folds, with fewer labels."""

import resource
import shutil
import time
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tasks import objectives
from tasks.errors import TrainingError
from tasks.modalities import modality
from tasks.modalities.shards import Prepared
from tasks.neural import devices, inference
from tasks.neural.learning import Ground, Learnt, learn
from tasks.neural.training import Listener
from tasks.objectives import Array, Scores
from tasks.schema import AnyTraining
from tasks.sources import splits
from tasks.stages import peak_mebibytes
from tasks.workspace import Workspace


class Part(NamedTuple):
    """Row numbers of the prepared samples: what is learnt from, chosen on and, if anything, tested on."""

    train: Array
    validation: Array
    test: Array


class Measured(NamedTuple):
    """What came of one training; `outputs` float32 [len(test), K], `core_seconds` the time of all threads."""

    scores: dict[str, Scores]
    outputs: Array
    parameters: dict[str, int]
    epochs: list[dict[str, Any]]
    best_epoch: int
    seconds: float
    core_seconds: float
    peak_mebibytes: int


def measure(params: AnyTraining, workspace: Workspace, part: Part, listen: Listener) -> Measured:
    """Learn `params` on `part.train`, choose on `part.validation` and score on it and on `part.test`, if any.

    Killed, the same measurement goes on where it was. `scores` holds those of `validation` and, where there is
    one, `test`.
    """
    devices.threads()
    began, cores = time.monotonic(), _core_seconds()
    ground = Ground.of(workspace)
    scratch = workspace.local / "checkpoints" / workspace.name / f"{params.name}.measured"
    learnt = learn(params, ground, part.train, part.validation, scratch, listen)
    outputs = {name: _outputs(learnt, params, ground, rows) for name, rows in _asked(part).items()}
    scores = {name: _scores(params, learnt, ground, rows, outputs[name]) for name, rows in _asked(part).items()}
    shutil.rmtree(scratch, ignore_errors=True)
    return Measured(
        scores=scores,
        outputs=outputs.get("test", np.zeros((0, learnt.network.head.out_features), np.float32)),
        parameters=learnt.report["parameters"],
        epochs=learnt.report["epochs"],
        best_epoch=learnt.report["best_epoch"],
        seconds=time.monotonic() - began,
        core_seconds=_core_seconds() - cores,
        peak_mebibytes=peak_mebibytes(),
    )


def _asked(part: Part) -> dict[str, Array]:
    return {"validation": part.validation} | ({"test": part.test} if len(part.test) else {})


def _outputs(learnt: Learnt, params: AnyTraining, ground: Ground, rows: Array) -> Array:
    """Return the outputs for `rows`, from the frozen features where the backbone is as it came."""
    network = learnt.network
    if params.strategy == "head":
        weight, bias = (tensor.detach().numpy() for tensor in (network.head.weight, network.head.bias))
        return np.asarray(ground.features[rows] @ weight.T + bias)
    return inference.compute(
        network, ground.prepared, rows, modality(params.modality), ground.backbone,
        params.batch_size, params.precision, "outputs",
    )  # fmt: skip


def _scores(params: AnyTraining, learnt: Learnt, ground: Ground, rows: Array, outputs: Array) -> Scores:
    """Return what is selected by and whatever else the objective measures of all samples together."""
    learns, judge = objectives.objective(params.objective), objectives.measures(params.objective)
    targets = learns.targets(ground.prepared.samples["label"].iloc[rows], learnt.facts)
    once = np.ones((1, len(targets)), dtype=np.int32)
    measured = judge.resampled(outputs, targets, learnt.facts, once)
    overall = {name: float(values[0]) for name, values in measured.items() if values.ndim == 1}
    scores = learns.score(outputs, targets, learnt.facts)
    return scores | {name: value for name, value in overall.items() if name not in scores}


def _core_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def declared(prepared: Prepared, name: str) -> Part:
    """Return the splits as they were ingested; TrainingError where one holds no samples."""
    return Part(*(prepared.needed(split, name) for split in ("train", "validation", "test")))


def closed(part: Part) -> Part:
    """Return it without its test rows."""
    return part._replace(test=part.test[:0])


def shortened(part: Part, prepared: Prepared, share: float, seed: int) -> Part:
    """Keep that share of the train rows, and each label or decile of a number: whole groups where there are groups."""
    from sklearn.model_selection import StratifiedShuffleSplit

    if share >= 1:
        return part
    samples = prepared.samples.iloc[part.train]
    strata = splits.strata(samples["label"]).astype(str)
    # Too few samples to draw from each stratum are drawn as groups of one, which keeps each label all the same.
    thin = strata.value_counts().min() < 2 or share * len(strata) < strata.nunique()
    if thin or samples["group"].notna().any():
        groups = samples["group"].fillna(samples["id"]).astype(str)
        return part._replace(train=_some_groups(part.train, groups, strata, share, seed))
    cut = StratifiedShuffleSplit(1, train_size=share, random_state=seed)
    kept, _ = next(cut.split(np.zeros(len(strata)), strata))
    return part._replace(train=np.sort(part.train[kept]))


def _some_groups(rows: Array, groups: "pd.Series[str]", strata: "pd.Series[str]", share: float, seed: int) -> Array:
    """Return the rows of groups drawn at random until they hold the share; the first of each label come first."""
    drawn = np.random.default_rng(seed).permutation(groups.unique()).tolist()
    place = {name: number for number, name in enumerate(drawn)}
    firsts = {min(held, key=place.__getitem__) for _, held in groups.groupby(strata)}
    drawn.sort(key=lambda name: (name not in firsts, place[name]))
    sizes = groups.value_counts()
    enough = int(np.searchsorted(np.cumsum([sizes[name] for name in drawn]), share * len(rows))) + 1
    return np.asarray(rows[groups.isin(drawn[: max(enough, len(firsts))])])


def folds(part: Part, prepared: Prepared, count: int, seed: int) -> list[Part]:
    """Cut train and validation into `count` folds of whole groups: each once tested on, the next one chosen on.

    The test split stays closed. Label shares, of numbers those of their deciles, are kept as far as groups allow.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    rows = np.sort(np.concatenate([part.train, part.validation]))
    samples = prepared.samples.iloc[rows]
    groups = samples["group"].fillna(samples["id"])
    if count < 3 or groups.nunique() < count:
        raise TrainingError(f"--folds {count}: between 3 and the number of groups, {groups.nunique()}, are possible")
    cut = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    held = [rows[test] for _, test in cut.split(rows, splits.strata(samples["label"]).astype(str), groups)]
    return [_fold(held, number) for number in range(count)]


def _fold(held: list[Array], number: int) -> Part:
    after = (number + 1) % len(held)
    train = np.concatenate([fold for place, fold in enumerate(held) if place not in (number, after)])
    return Part(np.sort(train), held[after], held[number])
