"""register: the best training enters the registry, and takes the champion's place if it is better."""

from pathlib import Path
from typing import Any

import pandas as pd

from tasks.errors import RegistryError
from tasks.modalities.reading import content
from tasks.predict import Predictor
from tasks.promotion import gate
from tasks.promotion.gate import Decision
from tasks.promotion.reign import raw_rows
from tasks.records import enrolment, journal, lineage, registry, throne, tracking
from tasks.records.enrolment import Entry
from tasks.records.registry import Version
from tasks.schema import AnyDataset
from tasks.versioning import LOCK
from tasks.workspace import Workspace, read_json, sha256_of, write_json

METRICS = "metrics.json"
ADDED = "evaluation"
"""The tag that says which evaluation a run already carries, and the folder of its artifacts."""


def register(params: AnyDataset, workspace: Workspace) -> Path:
    """Register the best training of the evaluation as an MLflow model; write registration.json.

    A model that is registered already gets no second version. The first one is champion; another takes its place
    if it passes the gate (tasks.promotion), else it is challenger. Raises RegistryError where MLflow cannot be
    reached; the next run registers then.
    """
    metrics = _metrics(workspace)
    training, metric = metrics["best"], metrics["metric"]
    measured = metrics["trainings"][training]["test"][metric]
    model, run = workspace.model(training), _run(workspace, training)
    test = _test_outputs(workspace, training)
    tags = _tags(params, run, training, metric, measured) | {gate.REFUSED: str(gate.refused_share(workspace))}
    version = enrolment.enter(workspace.root, params.name, run, _entry(workspace, model, test, tags))
    decision = _decided(params, workspace, model, test, version)
    tracking.finish(workspace.root)
    content = {"training": training, "model_digest": journal.model_digest(model), "metric": metric}
    with workspace.replacing(workspace.registration) as folder:
        write_json(folder / "registration.json", content | {"value": measured["value"]})
    workspace.record("register", _counted(params, version, decision))
    return workspace.registration


def _metrics(workspace: Workspace) -> dict[str, Any]:
    path = workspace.evaluation / METRICS
    if not path.exists():
        raise RegistryError(f"{workspace.name}: nothing is evaluated yet; run evaluate first")
    return dict(read_json(path))


def _run(workspace: Workspace, training: str) -> journal.Run:
    """Return the training's run, with the evaluation's files and what DVC recorded of the training added to it."""
    run = journal.run_of(workspace, training, workspace.model(training))
    digest = sha256_of(workspace.evaluation / METRICS)
    if run.tag(ADDED) != digest:
        for path in (METRICS, "errors.csv", "plots/comparison.png", f"predictions/{training}.parquet"):
            run.file(workspace.evaluation / path, ADDED)
        recorded = lineage.lock_section(workspace, training)
        if recorded:
            run.text(LOCK, recorded.encode(), lineage.FOLDER)
        run.tags({ADDED: digest})
    return run


def _test_outputs(workspace: Workspace, training: str) -> pd.DataFrame:
    """Return id, label and outputs of the test samples."""
    table = pd.read_parquet(workspace.evaluation / "predictions" / f"{training}.parquet")
    return table[table["split"] == "test"].filter(regex=r"^(id|label|output_\d+)$")


def _tags(params: AnyDataset, run: journal.Run, training: str, metric: str, measured: dict[str, Any]) -> dict[str, str]:
    """Return what `transfer show` tells of the version."""
    known = {key: measured[key] for key in ("value", "low", "high")}
    known |= {key: run.tag(key) for key in lineage.SHOWN}
    backbone = params.backbone
    return {
        "training": training,
        "metric": metric,
        **{key: str(value) for key, value in known.items() if value is not None},
        "backbone": backbone.name,
        "backbone_sha256": backbone.sha256,
        "backbone_licence": backbone.licence,
    }


def _entry(workspace: Workspace, model: Path, test: pd.DataFrame, tags: dict[str, str]) -> Entry:
    """Put together what is registered; the first test sample serves as the example."""
    (row,) = raw_rows(workspace, test["id"].head(1).tolist())
    sample = content(workspace.raw, row)
    question = pd.DataFrame({"text" if isinstance(sample, str) else "content": [sample]})
    answer = Predictor.load(model).answer([sample])
    samples = pd.read_parquet(workspace.prepared / "samples.parquet", columns=["id", "split"])
    learnt = samples.loc[samples["split"] != "test", ["id"]]
    return Entry(model, test.drop(columns="label"), learnt, question, answer, tags)


def _decided(params: AnyDataset, workspace: Workspace, model: Path, test: pd.DataFrame, version: Version) -> Decision:
    """Decide which alias the version gets, and give it; again, where another champion came meanwhile."""
    while True:
        held = throne.holder(registry.versions(workspace.root, params.name))
        decision = _decide(params, workspace, model, test, version, held)
        against = held["version"] if held else None
        if throne.award(workspace.root, params.name, version, decision.numbers(), against):
            return decision


def _decide(
    params: AnyDataset, workspace: Workspace, model: Path, test: pd.DataFrame, version: Version, held: Version | None
) -> Decision:
    if held is None:
        return gate.FIRST
    if held["version"] == version["version"]:
        return gate.FIRST._replace(reason=str(version.get(registry.DECISION, "it was champion already")))
    return gate.judge(params, workspace, model, test, version, held)


def _counted(params: AnyDataset, version: Version, decision: Decision) -> dict[str, Any]:
    told = f"{params.name} version {version['version']}, {decision.alias}"
    return {
        "said": f"{told}: {decision.reason}",
        "version": int(version["version"]),
        "run_id": version["run_id"],
        **decision.numbers(),
    }
