"""`python -m examples NAME [FOLDER]`: lay out an example's data and add its sections to params.yaml."""

import runpy
import shutil
import sys
from pathlib import Path
from textwrap import dedent

from tasks import config
from tasks.config import PARAMS
from tasks.errors import TransferError, did_you_mean
from tasks.params_file import insert

EXAMPLES = Path(__file__).resolve().parent


def main(arguments: list[str]) -> int:
    """Set up the named example in the project of this folder; a user's mistake is one line on standard error."""
    names = sorted(path.parent.name for path in EXAMPLES.glob("*/params.yaml"))
    if not arguments or arguments[0] not in names:
        near = did_you_mean(arguments[0], names) if arguments else ""
        print(f"usage: python -m examples {{{','.join(names)}}} [FOLDER]{near}", file=sys.stderr)
        return 2
    name, *given = arguments
    try:
        print(f"data      {_lay_out(name, given, Path.cwd())}")
        print(f"sections  {_add(name, Path.cwd() / PARAMS)}\nnext      transfer run {name}")
    except TransferError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _lay_out(name: str, given: list[str], root: Path) -> str:
    """Let the example write its data anew; what was there stays until that is done."""
    target = root / ".local" / "examples" / name
    fresh = target.with_name(f".{name}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        told = runpy.run_path(str(EXAMPLES / name / "prepare.py"))["prepare"](root, fresh, given)
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return f"{told} in {target.relative_to(root)}"


def _add(name: str, params: Path) -> str:
    """Add the example's data set and trainings to params.yaml, unless a data set of that name is there."""
    if name in config.load(params.parent).datasets:
        return f"datasets.{name} is in {PARAMS} already and stays as it is"
    old = text = params.read_text(encoding="utf-8")
    entries = _entries((EXAMPLES / name / PARAMS).read_text(encoding="utf-8"))
    for section, key, block in entries:
        text = insert(text, section, key, block)
    params.write_text(text, encoding="utf-8")
    try:
        config.load(params.parent)
    except TransferError:
        params.write_text(old, encoding="utf-8")
        raise
    return f"{', '.join(f'{section}.{key}' for section, key, _ in entries)} added to {PARAMS}"


def _entries(text: str) -> list[tuple[str, str, str]]:
    """Return each entry of each top-level section: both names, and its lines with their comments, not indented."""
    found: list[tuple[str, str, str]] = []
    section = ""
    for line in text.splitlines(keepends=True):
        if not line.startswith((" ", "#", "\n")):
            section = line.partition(":")[0]
        elif line.startswith("  ") and not line.startswith("   "):
            found.append((section, line.partition(":")[0].strip(), ""))
        elif found:
            *rest, (owner, key, block) = found
            found = [*rest, (owner, key, block + line)]
    return [(owner, key, dedent(block).strip("\n")) for owner, key, block in found]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
