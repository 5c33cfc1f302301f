"""Finds what a study's plan asks for among the measurements that are kept."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tasks import config, objectives
from tasks.evaluation import bootstrap
from tasks.experiments.measurements import Record, answer, every, is_answered, repeated
from tasks.modalities.shards import Prepared
from tasks.schema import AnyDataset
from tasks.study.numbers import Judged, Kept, Key, Study
from tasks.study.plan import Plan
from tasks.study.ranking import ranks
from tasks.workspace import Workspace


def gather(folder: Path, plan: Plan) -> Study:
    """Find what the plan asks for among the measurements kept in a study's folder."""
    params = config.load(folder)
    asked: dict[str, list[Record]] = {}
    for row in plan.rows(plan.seeds):
        training = config.training(params, row.training)
        workspace = Workspace(folder, training.dataset)
        questions = repeated(training, row.seeds, 0, row.share, test=True)
        found = [answer(one, workspace, _silent) for one in questions if is_answered(one, workspace)]
        asked.setdefault(training.dataset, []).extend(found)
    kept: dict[Key, Kept] = {}
    judged: dict[str, Judged] = {}
    for name in (name for name, records in asked.items() if records):
        judged[name] = _judged(params.datasets[name], Prepared(Workspace(folder, name).prepared))
        kept |= dict(_kept(Workspace(folder, name), asked[name]))
    return Study(plan, params, kept, judged, ranks(folder, list(plan.backbones)))


def _kept(workspace: Workspace, asked: list[Record]) -> Iterator[tuple[Key, Kept]]:
    """Yield the measurements of these records; those of other parameters are kept beside them, and passed over."""
    prepared = Prepared(workspace.prepared)
    labels = prepared.samples["label"]
    learns = objectives.objective(prepared.about["objective"])
    facts = learns.learn(labels.iloc[prepared.rows("train")])
    for record, outputs, rows in every(workspace):
        if record in asked:
            correct = outputs.argmax(axis=1) == learns.targets(labels.iloc[rows], facts)
            yield Key(record["training"], record["share"], record["seed"]), Kept(record, correct)


def _judged(params: AnyDataset, prepared: Prepared) -> Judged:
    """Draw the resamples of the test split; a sample without a group is one by itself."""
    settings = params.evaluate.bootstrap
    counts = {split: len(prepared.rows(split)) for split in ("train", "validation", "test")}
    if settings.by == "sample":
        weights = bootstrap.by_sample(counts["test"], settings.resamples, params.seed)
        return Judged(weights, settings.confidence, "samples", counts)
    samples = prepared.samples.iloc[prepared.rows("test")]
    groups = samples["group"].fillna("sample " + samples["id"]).to_numpy(str)
    weights = bootstrap.by_group(groups, settings.resamples, params.seed)
    return Judged(weights, settings.confidence, f"{len(np.unique(groups)):,} groups", counts)


def _silent(scores: dict[str, float | None], epoch: int) -> None:
    """Listen and do nothing."""
