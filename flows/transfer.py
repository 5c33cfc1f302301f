"""The flow of one data set, raw to registered."""

import os
from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run

from flows import console, plan, steps
from flows.worker import Worker
from tasks import config
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
