"""Finds what a study's plan asks for among the measurements that are kept."""

from pathlib import Path

import numpy as np

from tasks import config, objectives
from tasks.evaluation import bootstrap
from tasks.experiments.measurements import Answer, known, repeated
from tasks.modalities.shards import Prepared
from tasks.objectives import Array
from tasks.schema import AnyDataset
from tasks.study.numbers import Judged, Kept, Key, Study
from tasks.study.plan import Plan
from tasks.study.ranking import ranks
from tasks.workspace import Workspace


def gather(folder: Path, plan: Plan) -> Study:
    """Find what the plan asks for among the measurements kept in a study's folder."""
    params = config.load(folder)
    kept: dict[Key, Kept] = {}
    judged: dict[str, Judged] = {}
    for row in plan.rows():
        training = config.training(params, row.training)
        workspace = Workspace(folder, training.dataset)
        for question in repeated(training, row.seeds, 0, row.share, test=True):
            found = known(question, workspace)
            if found is None:
                continue
            if training.dataset not in judged:
                judged[training.dataset] = _judged(params.datasets[training.dataset], Prepared(workspace.prepared))
            key = Key(training.name, row.share, question.params.seed)
            kept[key] = Kept(found.record, _correct(found, Prepared(workspace.prepared)))
    return Study(plan, params, kept, judged, ranks(folder, list(plan.backbones)))


def _correct(found: Answer, prepared: Prepared) -> Array:
    """Return bool [T]: which samples of the test split were answered rightly."""
    labels = prepared.samples["label"]
    learns = objectives.objective(prepared.about["objective"])
    facts = learns.learn(labels.iloc[prepared.rows("train")])
    return np.asarray(found.outputs.argmax(axis=1) == learns.targets(labels.iloc[found.rows], facts))


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
