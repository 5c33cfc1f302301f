"""A stage as a Prefect task: skipped when fresh, stopped at its time limit, tried again where that may help."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed
from prefect.tasks import exponential_backoff

from flows import console
from flows.plan import Plan, Step, explain
from flows.worker import Worker
from tasks import sources, summary, versioning
from tasks.errors import MovedInputError, UnreachableError
from tasks.schema import AnyDataset, StageLimits
from tasks.sources import state


@dataclass(frozen=True)
class Job:
    """What the steps of one data set share in one run."""

    root: Path
    dataset: AnyDataset
    plan: Plan
    worker: Worker


def run(step: Step, job: Job, limits: StageLimits) -> None:
    """Run `step` as a Prefect task of the current flow, unless it is fresh."""
    named = step_task.with_options(
        name=step.stage,
        task_run_name=step.name,
        retries=limits.retries,
        retry_delay_seconds=exponential_backoff(backoff_factor=5),
        retry_condition_fn=_may_pass,
    )
    named(step, job, limits.seconds)


@task(cache_policy=NO_CACHE, persist_result=False)
def step_task(step: Step, job: Job, seconds: float) -> State[Any]:
    """Run one stage if it is stale, and record it. The state says which, and why."""
    reasons = job.plan.reasons(step)
    if gone := _gone_source(step, job, reasons):
        console.step(step, "kept", f"the source {gone} is gone; what was ingested before stays in use", None)
        return Completed(name="Fresh", message=f"source {gone} is gone, what was ingested stays")
    if not reasons:
        console.step(step, "fresh", "", None)
        return Completed(name="Fresh", message="nothing it depends on has changed")
    before = versioning.recorded(job.root, step.name)
    counted = _run_and_record(step, job, seconds)
    job.plan.ran(step, versioning.output_hashes(before))
    why = f"   because {explain(reasons)}" if before else ""
    console.step(step, "ran", summary.sentence(counted) + why, counted["seconds"])
    for warning in counted.get("warnings", []):
        console.warning(warning)
    return Completed(message=f"because {explain(reasons)}")


def _run_and_record(step: Step, job: Job, seconds: float) -> dict[str, Any]:
    """Run the stage in the worker and record it, provided its inputs are those it started with."""
    before = _inputs(step, job)
    counted = job.worker.run(step.stage, step.key, seconds)
    if _inputs(step, job) != before:
        raise MovedInputError(f"{step.name}: its inputs changed while it ran, so it is not recorded; run again")
    versioning.commit(job.root, step.name)
    return counted


def _inputs(step: Step, job: Job) -> dict[str, Any]:
    """Return what identifies a step's inputs, but for the note in which ingest itself says what it read."""
    found, source = versioning.inputs(job.root, step.name), job.dataset.ingest.source
    if step.stage == "ingest" and sources.watched(source.kind):
        found.pop(str(job.root / source.path / state.FILE), None)
    return found


def _gone_source(step: Step, job: Job, reasons: versioning.Reasons) -> str | None:
    """Return the source's path if that it is gone is all that changed since it was ingested."""
    path = str(job.dataset.ingest.source.path)
    return path if step.stage == "ingest" and reasons == {path: "deleted"} else None


def _may_pass(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Try again only what failed for a reason that time may mend."""
    return isinstance(state.result(raise_on_failure=False), UnreachableError)
