"""Takes one run from its journal to MLflow: each event once, whatever happens in between."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from tasks.records.journal import EVENTS, Run
from tasks.workspace import remembered, write_json

PARENT = "mlflow.parentRunId"
"""The tag by which MLflow's pages show a run below another one."""
JOURNAL = "journal"
"""The tag that ties a run in MLflow to the journal on disk, so that a run sent twice is one run."""
PARAMETERS_AT_ONCE = 100
KIND = {"mlflow.experimentKind": "custom_model_development"}
"""MLflow's pages open on language-model tools otherwise."""
Event = dict[str, Any]


class Sent:
    """How much of a run an address has got: kept beside the run, one file per address."""

    def __init__(self, run: Run, address: str) -> None:
        self._run = run
        self._path = run.folder / f"sent-{sha256(address.encode()).hexdigest()[:8]}.json"
        content = remembered(self._path)
        self.run_id: str | None = content.get("run_id")
        self.offset: int = content.get("offset", 0)

    def behind(self) -> bool:
        """Tell whether the run has more than was sent."""
        return self.offset < (self._run.folder / EVENTS).stat().st_size

    def note(self, run_id: str, offset: int) -> None:
        """Remember that everything before `offset` was sent."""
        write_json(self._path, {"run_id": run_id, "offset": offset})


@dataclass(frozen=True)
class Post:
    """The way of one run into MLflow.

    `artifacts` is where its files go, null where the server decides; `parent` the id in MLflow of the run above it.
    """

    client: Any
    entities: Any
    run: Run
    artifacts: Path | None
    parent: str | None

    def send(self, sent: Sent) -> str:
        """Send what is not yet sent and return the run's id in MLflow.

        Every event can be sent again without harm: one that was sent when the process died is. A run deleted in
        MLflow stays deleted; into a new or emptied database it is sent from its beginning.
        """
        found = self._find() or self._create()
        run_id, alive = str(found.info.run_id), found.info.lifecycle_stage == "active"
        offset = sent.offset if sent.run_id == run_id else 0
        for event, end in self.run.events(offset):
            if alive:
                SENDERS[event["event"]](self, run_id, event)
            sent.note(run_id, end)
        return run_id

    def _find(self) -> Any:
        view = self.entities.ViewType.ALL
        found = self.client.search_runs(
            [self._experiment()], f"tags.{JOURNAL} = '{self.run.folder.name}'", run_view_type=view
        )
        return next(iter(found), None)

    def _create(self) -> Any:
        start = self.run.of_kind("start")[0]
        tags = {JOURNAL: self.run.folder.name, "dataset": start["dataset"], "training": start["training"]}
        tags |= {PARENT: self.parent} if self.parent else {}
        return self.client.create_run(self._experiment(), start["time"], tags, start["training"])

    def _experiment(self) -> str:
        """Return the id of the data set's experiment, made or restored if need be."""
        name = self.run.of_kind("start")[0]["dataset"]
        found = self.client.get_experiment_by_name(name)
        if found is None:
            folder = None if self.artifacts is None else str(self.artifacts / name)
            return str(self.client.create_experiment(name, folder, KIND))
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _start(self, run_id: str, event: Event) -> None:
        parameters = [self.entities.Param(key, value) for key, value in event["parameters"].items()]
        for first in range(0, len(parameters), PARAMETERS_AT_ONCE):
            self.client.log_batch(run_id, params=parameters[first : first + PARAMETERS_AT_ONCE])

    def _metrics(self, run_id: str, event: Event) -> None:
        values, when = event["values"].items(), (event["time"], event["step"])
        self.client.log_batch(run_id, metrics=[self.entities.Metric(key, value, *when) for key, value in values])

    def _tags(self, run_id: str, event: Event) -> None:
        values = event["values"].items()
        self.client.log_batch(run_id, tags=[self.entities.RunTag(key, value) for key, value in values])

    def _data(self, run_id: str, event: Event) -> None:
        data = self.entities.Dataset(event["name"], event["digest"], "local", event["source"])
        context = self.entities.InputTag("mlflow.data.context", "training")
        self.client.log_inputs(run_id, [self.entities.DatasetInput(data, [context])])

    def _file(self, run_id: str, event: Event) -> None:
        self.client.log_artifact(run_id, str(self.run.folder / event["path"]), event["folder"])

    def _end(self, run_id: str, event: Event) -> None:
        self.client.set_terminated(run_id, event["status"], event["time"])


SENDERS: dict[str, Callable[[Post, str, Event], None]] = {
    "start": Post._start,
    "metrics": Post._metrics,
    "tags": Post._tags,
    "data": Post._data,
    "file": Post._file,
    "end": Post._end,
}
"""Each kind of event a journal holds, and how it is sent."""
