"""The flow of one data set, raw to registered."""

import os
from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run

from flows import console, plan, reporting, steps
from flows.worker import StageCrashError, Worker
from tasks import config
from tasks.errors import TransferError
from tasks.workspace import Workspace


@flow(name="transfer", flow_run_name="{dataset}", persist_result=False, validate_parameters=False)
def transfer(dataset: str, wait_seconds: float) -> None:
    """Run the stale stages of `dataset` in their order; wait at most `wait_seconds` for another run to end."""
    root = Path.cwd()
    loaded = config.load(root)
    os.environ["TRANSFER_FLOW_RUN_ID"] = str(flow_run.id)
    with Workspace(root, dataset).locked("transfer run", wait_seconds), Worker(root) as worker:
        console.heading(dataset)
        job = steps.Job(root, loaded.datasets[dataset], plan.make(root, loaded, [dataset]), worker)
        for step in plan.steps(loaded, dataset):
            steps.run(step, job, loaded.operation.limits(step.stage))
        _report(dataset, worker, loaded.operation.limits("evaluate").seconds)


def _report(dataset: str, worker: Worker, seconds: float) -> None:
    """Render the page about it all; whatever is wrong with the page, what was learnt and registered stands."""
    try:
        reporting.line(str(worker.run("report", dataset, seconds)["said"]))
    except (TransferError, StageCrashError) as error:
        last = str(error).strip().splitlines()[-1]
        console.failure(f"{dataset}: the report could not be rendered ({last}); try again: transfer report {dataset}")
