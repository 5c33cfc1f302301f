"""How a model enters the registry: once, whatever happens in between, and with the alias it earned."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tasks.records import packaging, tracking
from tasks.records.journal import Run, model_digest
from tasks.records.registry import DIGEST, Version, listed

if TYPE_CHECKING:
    import pandas as pd

    from tasks.records.tracking import MlflowClient

PREDICTIONS, LEARNT = "predictions.parquet", "learnt.parquet"
"""In the package of a version: what it answered for the test samples of its time (id and outputs), and the ids of the
samples that its training saw, to learn from or to choose by."""


class Entry(NamedTuple):
    """What a version is made of: model directory, test predictions, what it learnt from, question, answer, tags."""

    model: Path
    predictions: "pd.DataFrame"
    learnt: "pd.DataFrame"
    question: "pd.DataFrame"
    answer: "pd.DataFrame"
    tags: dict[str, str]


def enter(root: Path, name: str, run: Run, entry: Entry) -> Version:
    """Return the version that holds the very files of the entry's model; it is made if there is none.

    Killed anywhere and called again, it goes on: no second version, no half one.
    """
    digest = model_digest(entry.model)
    with tracking.connected(root) as client:
        run_id = tracking.send_run(client, root, run)
        known = _holding(client, name, digest)
        if not known:
            _create(client, name, run_id, _logged(client, root, run_id, name, entry), entry.tags | {DIGEST: digest})
        for key, value in entry.tags.items() if known else ():
            client.set_model_version_tag(name, known[0]["version"], key, value)
        return _holding(client, name, digest)[0]


def _create(client: "MlflowClient", name: str, run_id: str, logged: Any, tags: dict[str, str]) -> None:
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    # The address models:/ID would be looked up in MLflow's own default database.
    client.create_model_version(name, logged.artifact_location, run_id, tags, model_id=logged.model_id)


def _holding(client: "MlflowClient", name: str, digest: str) -> list[Version]:
    return [version for version in listed(client, name) if version.get(DIGEST) == digest]


def _logged(client: "MlflowClient", root: Path, run_id: str, name: str, entry: Entry) -> Any:
    """Return the run's logged model with the entry's files; one left half written is made again."""
    experiment, digest = client.get_run(run_id).info.experiment_id, model_digest(entry.model)
    for found in client.search_logged_models([experiment], f"tags.{DIGEST} = '{digest}'"):
        if str(found.status) == "READY":
            return found
        client.delete_logged_model(found.model_id)
    logged = client.create_logged_model(experiment, name, run_id, {DIGEST: digest})
    with tempfile.TemporaryDirectory(dir=root / ".local") as scratch:
        package = Path(scratch) / "model"
        packaging.package(entry.model, package, entry.question, entry.answer, logged)
        entry.predictions.to_parquet(package / PREDICTIONS, index=False)
        entry.learnt.to_parquet(package / LEARNT, index=False)
        client.log_model_artifacts(logged.model_id, str(package))
    output = tracking.library().entities.LoggedModelOutput(logged.model_id, step=0)
    client.log_outputs(run_id, [output])
    return client.finalize_logged_model(logged.model_id, "READY")
