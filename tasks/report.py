"""report: one page about a data set, rendered from files only; no stage rests on it and DVC knows nothing of it."""

import os
from pathlib import Path

from tasks.records import journal, tracking
from tasks.reporting.gather import gather
from tasks.reporting.page import render
from tasks.schema import AnyDataset
from tasks.workspace import FILES, Workspace, sha256_of

NAME = "report.html"
KEPT = "report"
"""The tag that says which page a run already carries, and the folder of its artifacts."""


def report(params: AnyDataset, workspace: Workspace) -> Path:
    """Write data/NAME/report/report.html and add it to the best training's run; ReportError without an evaluation.

    The same files give the same bytes; an earlier page stays until the new one is complete.
    """
    found = gather(params, workspace)
    target = workspace.report / NAME
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{NAME}.{os.getpid()}")
    beside.write_text(render(found), encoding="utf-8")
    beside.replace(target)
    _remember(target, found.best, workspace)
    where = target.relative_to(workspace.root).as_posix()
    workspace.record("report", {"said": where, "bytes": target.stat().st_size})
    return workspace.report


def _remember(page: Path, training: str, workspace: Workspace) -> None:
    """Add the page to the run that made the model, once; without a model there is no such run."""
    model = workspace.model(training)
    if not (model / FILES).exists():
        return
    run, digest = journal.run_of(workspace, training, model), sha256_of(page)
    if run.tag(KEPT) != digest:
        run.file(page, KEPT)
        run.tags({KEPT: digest})
        tracking.finish(workspace.root)
