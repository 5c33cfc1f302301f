"""evaluate: what each training of a data set is worth on validation and test, side by side.

Before the gate the only stage that opens the test split; how often is counted in .local/counters.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tasks import objectives
from tasks.evaluation import explanations, resampling, saved
from tasks.evaluation.comparison import Outputs, Trial
from tasks.evaluation.findings import Findings
from tasks.evaluation.saved import Saved
from tasks.leaks import audit
from tasks.modalities.shards import Prepared
from tasks.neural import devices
from tasks.objectives import Array
from tasks.records import journal, tracking
from tasks.schema import AnyDataset
from tasks.store import Store
from tasks.workspace import Workspace, write_json

SPLITS = ("train", "validation", "test")

Rows = dict[str, Array]
"""The rows of the prepared samples in each split."""


def evaluate(params: AnyDataset, workspace: Workspace) -> Path:
    """Measure the trainings that `params.evaluate` names; write metrics, predictions, errors, reasons, plots, leaks."""
    devices.threads()
    prepared = Prepared(workspace.prepared)
    rows = {split: prepared.needed(split, params.name) for split in SPLITS}
    openings = workspace.count_test_opening()
    findings, predicted = _find(params, workspace, prepared, rows)
    counts = {split: len(numbers) for split, numbers in rows.items()}
    store = Store.of(workspace.root)
    leaks = audit.audit(params, workspace, prepared, rows)
    explained = explanations.explain(findings, prepared, rows["test"], params.evaluate.explained, store)
    with workspace.replacing(workspace.evaluation) as folder:
        _write(findings, folder, params, counts)
        write_json(folder / "leaks.json", leaks)
        explanations.write(explained, folder / "explanations")
    _remember(findings, workspace)
    reused = (counts["validation"] + counts["test"]) * len(findings.models) - predicted
    told = {"predicted": predicted, "reused": reused, "test_openings": openings, "said": findings.said()}
    told |= {"warnings": audit.warnings(leaks)}
    told |= {"explained": len(explained.samples), "explaining_seconds": explained.seconds}
    workspace.record("evaluate", counts | told)
    return workspace.evaluation


def _find(params: AnyDataset, workspace: Workspace, prepared: Prepared, rows: Rows) -> tuple[Findings, int]:
    """Answer with every training and with none, and measure the answers; count those a network was asked for."""
    learns = objectives.objective(params.objective)
    train = prepared.samples["label"].iloc[rows["train"]]
    facts = learns.learn(train)
    trial = _trial(params, prepared, rows, facts)
    models = {name: saved.read(workspace, name, facts) for name in params.evaluate.trainings}
    answers = {name: _outputs(model, params, workspace, prepared, rows) for name, model in models.items()}
    outputs = {name: answered for name, (answered, _) in answers.items()}
    results = {name: trial.measure(answered) for name, answered in outputs.items()}
    targets = learns.targets(train, facts)
    none = Outputs(*(learns.baseline(targets, len(rows[split]), facts) for split in ("validation", "test")))
    validation, test = (prepared.samples.iloc[rows[split]] for split in ("validation", "test"))
    findings = Findings(trial, validation, test, models, outputs, results, trial.measure(none), trial.best(results))
    return findings, sum(asked for _, asked in answers.values())


def _trial(params: AnyDataset, prepared: Prepared, rows: Rows, facts: objectives.Facts) -> Trial:
    """Lay out what all trainings are measured by."""
    learns, settings = objectives.objective(params.objective), params.evaluate
    labels = prepared.samples["label"]
    return Trial(
        objective=params.objective,
        facts=facts,
        validation=learns.targets(labels.iloc[rows["validation"]], facts),
        test=learns.targets(labels.iloc[rows["test"]], facts),
        weights=resampling.weights(params, prepared.samples.iloc[rows["test"]]),
        confidence=settings.bootstrap.confidence,
        metric=settings.metric,
    )


def _outputs(
    model: Saved, params: AnyDataset, workspace: Workspace, prepared: Prepared, rows: Rows
) -> tuple[Outputs, int]:
    both = np.concatenate([rows["validation"], rows["test"]])
    answered, asked = saved.outputs(model, workspace, prepared, both, params.extract)
    return Outputs(*np.split(answered, [len(rows["validation"])])), asked


def _write(findings: Findings, folder: Path, params: AnyDataset, counts: dict[str, int]) -> None:
    """Write the files of evaluation/; the same findings give the same bytes."""
    write_json(folder / "metrics.json", {"samples": counts, **findings.report()})
    (folder / "predictions").mkdir()
    for name in findings.models:
        findings.predictions(name).to_parquet(folder / "predictions" / f"{name}.parquet", index=False)
    findings.errors(params.evaluate.errors_shown).to_csv(folder / "errors.csv", index=False)
    (folder / "plots").mkdir()
    findings.draw(folder / "plots", params.evaluate.bootstrap.confidence)


def _remember(findings: Findings, workspace: Workspace) -> None:
    """Add to each training's run what was measured of it and its pictures."""
    for name, model in findings.models.items():
        run = journal.run_of(workspace, name, model.directory)
        run.metrics(_flat(findings.results[name].test), step=0)
        for picture in sorted((workspace.evaluation / "plots").glob(f"{name}.*.png")):
            run.file(picture, "evaluation")
    tracking.deliver(workspace.root)


def _flat(measured: dict[str, Any]) -> dict[str, float | None]:
    """Name metrics and the ends of their intervals for MLflow: test_accuracy, test_accuracy_low."""
    ends = {"": "value", "_low": "low", "_high": "high"}
    intervals = {name: one for name, one in measured.items() if isinstance(one, dict) and "value" in one}
    return {f"test_{name}{end}": one[key] for name, one in intervals.items() for end, key in ends.items()}
