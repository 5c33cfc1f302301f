"""`python -m bench`: measure what is missing, write docs/performance.json and the tables of docs/performance.md."""

import argparse
import shutil
import signal
import sys
from pathlib import Path

from bench import environments, page, results, scale, sets
from bench.order import interleaved
from bench.plan import PLAN, Plan, read_plan
from bench.running import FailedError
from bench.session import Session
from tasks.errors import TransferError
from tasks.workspace import write_json

ROOT = Path(__file__).resolve().parent.parent
SCALE = "scale"


def main(arguments: list[str]) -> int:
    """Return the exit code: 1 where a contestant failed."""
    asked = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    plan = read_plan(asked.plan)
    if asked.repeats:
        plan = plan.model_copy(update={"repeats": asked.repeats})
    if asked.anew:
        shutil.rmtree(ROOT / ".local" / "bench" / "measurements", ignore_errors=True)
    try:
        failed = [] if asked.page else measure(ROOT, plan, asked.only or [*plan.suites, SCALE])
        write(ROOT, plan, asked.docs)
    except TransferError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; nothing measured is lost, the next call goes on from here\n")
        return 130
    return 1 if failed else 0


def _stop(_number: int, _frame: object) -> None:
    """Let what is under way be stopped as by Ctrl-C, once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def measure(root: Path, plan: Plan, chosen: list[str]) -> list[str]:
    """Measure what is missing of the chosen suites; return the contestants that failed, which the others survive."""
    failed = [told for name in plan.suites if name in chosen for told in measure_suite(root, plan, name)]
    if SCALE in chosen:
        scale.measure(root, plan)
    return failed


def measure_suite(root: Path, plan: Plan, name: str) -> list[str]:
    """Measure what is missing of a suite; who failed once is not tried in the later repeats."""
    suite, failed = plan.suites[name], list[str]()
    folder = sets.export(root, name, suite)
    for contestant in suite.contestants.values():
        if contestant.environment:
            environments.make(root, contestant.environment)
    for repeat, one in interleaved(list(suite.contestants), plan.repeats):
        if one in failed:
            continue
        try:
            Session(root, plan, name, suite, one, folder, repeat).measure()
        except FailedError as error:
            sys.stderr.write(f"{name} {one}: {error}\n")
            failed.append(one)
    return failed


def write(root: Path, plan: Plan, docs: Path) -> None:
    """Write what is measured so far: the numbers, the page's tables and, where it has a place for it, the README's."""
    folders = {name: sets.export(root, name, suite) for name, suite in plan.suites.items()}
    found = results.gather(root, plan, folders) | {"scale": scale.kept(root)}
    docs.mkdir(parents=True, exist_ok=True)
    write_json(docs / "performance.json", found)
    text = "\n\n".join([page.tables(found), scale.told(found["scale"])])
    page.put(docs / "performance.md", text)
    readme = docs.parent / "README.md"
    if readme.exists() and page.BEGIN in readme.read_text(encoding="utf-8"):
        page.put(readme, page.summary(found))
    scale.draw(found["scale"], docs / "performance")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("only", nargs="*", help="suites of the plan, or scale; all if none is named")
    parser.add_argument("--plan", type=Path, default=PLAN, help="another plan than bench/plan.yaml")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="where performance.json and .md are written")
    parser.add_argument("--repeats", type=int, help="so many instead of the plan's")
    parser.add_argument("--anew", action="store_true", help="forget what is measured and begin again")
    parser.add_argument("--page", action="store_true", help="measure nothing, write what is measured")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
