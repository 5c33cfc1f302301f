"""`transfer report`: the page about each data set, rendered anew from what the stages wrote."""

import webbrowser
from pathlib import Path

from flows import console
from tasks import config
from tasks.errors import TransferError
from tasks.workspace import Workspace


def report(root: Path, names: list[str], show: bool) -> int:
    """Render the page of each named data set (of all, if none is named), open it if asked; return the exit code."""
    loaded = config.load(root)
    chosen = [config.dataset(loaded, name).name for name in names] or list(loaded.datasets)
    done = [_one(root, name, show) for name in chosen]
    return 0 if all(done) else 1


def _one(root: Path, name: str, show: bool) -> bool:
    """Render one page; what is missing is told in one line and does not keep the others from being rendered."""
    from tasks import stages

    try:
        counted = stages.run(root, "report", name)
    except TransferError as error:
        console.failure(str(error))
        return False
    line(counted["said"])
    if show:
        webbrowser.open((root / counted["said"]).resolve().as_uri())
    return True


def outdated(root: Path, name: str) -> bool:
    """Tell whether a data set was evaluated (by `dvc repro`, say) since its page was rendered, if it ever was."""
    workspace = Workspace(root, name)
    evaluated, page = workspace.evaluation / "metrics.json", workspace.report / "report.html"
    return evaluated.exists() and not (page.exists() and page.stat().st_mtime >= evaluated.stat().st_mtime)


def line(where: str) -> None:
    """Say where a page lies."""
    console.out.print(f"  report  {where}", markup=False)
