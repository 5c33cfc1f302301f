"""`transfer run` and `transfer status`: several data sets, one after the other, and what came of it."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

from flows import console, looking, plan, reporting, results, stopping, worker
from tasks import accidents, config
from tasks.errors import TransferError
from tasks.schema import Config


def run(root: Path, names: list[str], wait_seconds: float) -> int:
    """Run what is stale of the named data sets (of all, if none is named); return the exit code."""
    started = time.monotonic()
    loaded, chosen = _chosen(root, names)
    looking.look(root, loaded, chosen)
    stale = _stale(root, loaded, chosen)
    if not stale:
        seconds = console.duration(time.monotonic() - started)
        console.out.print(f"nothing to do: every stage of {', '.join(chosen)} is fresh ({seconds})")
        old = [name for name in chosen if reporting.outdated(root, name)]
        if old:
            console.out.print(f"evaluated since its report was rendered: transfer report {' '.join(old)}")
        return 0
    if "PREFECT_API_URL" not in os.environ:
        stopping.end_at_once()
    failed = [name for name in stale if not _run_one(name, wait_seconds)]
    results.table(root, loaded, [name for name in chosen if name not in failed])
    results.next_steps(root, [name for name in stale if name not in failed])
    if failed:
        console.failure(f"{', '.join(failed)}: not finished; the reason stands above")
    return 1 if failed else 0


def status(root: Path, names: list[str]) -> None:
    """Print for each data set which stages are fresh, and why the others are not."""
    loaded, chosen = _chosen(root, names)
    looking.look(root, loaded, chosen)
    made = plan.make(root, loaded, chosen)
    for name in chosen:
        console.heading(name)
        for step in plan.steps(loaded, name):
            reasons = made.stale.get(step.name, {})
            console.step(step, "stale" if reasons else "fresh", plan.explain(reasons), None)


def _chosen(root: Path, names: list[str]) -> tuple[Config, list[str]]:
    loaded = config.load(root)
    return loaded, [config.dataset(loaded, name).name for name in names] or list(loaded.datasets)


def _stale(root: Path, loaded: Config, chosen: list[str]) -> list[str]:
    """Return the data sets with a stage that must run. While DVC is asked, what a run needs is imported."""
    if plan.unchanged(root, loaded, chosen):
        return []
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(plan.make, root, loaded, chosen)
        worker.prepare()
        import_module("flows.transfer")
        made = asked.result()
    return [name for name in chosen if any(step.name in made.stale for step in plan.steps(loaded, name))]


def _run_one(name: str, wait_seconds: float) -> bool:
    """Run the flow of one data set; a failure is told in one line and does not keep the others from running."""
    from flows.transfer import transfer

    try:
        transfer(name, wait_seconds)
    except TransferError as error:
        console.failure(str(error))
    except Exception as error:
        console.failure(f"{name}: {_silent(error) or accidents.told(error) or _kept(name, error)}")
    else:
        return True
    return False


def _silent(error: Exception) -> str | None:
    """Say what to do where no Prefect server answers at the address in the environment; null of another failure."""
    if "Failed to reach API" not in str(error):
        return None
    return f"no Prefect server answers at PREFECT_API_URL={os.environ.get('PREFECT_API_URL')}; start it, or unset it"


def _kept(name: str, error: Exception) -> str:
    """Keep the story of a failure that is no user's mistake, and say in one line what and where."""
    import traceback

    told = "".join(traceback.format_exception(error))
    target = Path.cwd() / ".local" / "logs" / f"{name}.txt"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(told, encoding="utf-8")
    last = str(error).strip().splitlines() or [type(error).__name__]
    return f"{last[-1]} (a fault of the program; the whole story is in .local/logs/{name}.txt)"
