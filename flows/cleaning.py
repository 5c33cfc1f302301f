"""`transfer clean`: what takes up space, what of it can go and why; and then, once it is agreed to, it goes."""

import sys
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from flows import console
from tasks import removal
from tasks.cleaning.holding import Holding, held
from tasks.cleaning.survey import data_sets, survey


def clean(root: Path, yes: bool, store: float | None) -> int:
    """Show what takes up space, ask, and free what nothing needs; `store`: GiB the per-sample store may keep.

    Return the exit code. What others work on stays, and it is said.
    """
    names = data_sets(root)
    with held(root, names) as busy:
        found = survey(root, busy, store)
    console.out.print(_table(found))
    spare = sum(one.spare for one in found)
    if not spare:
        console.out.print("nothing to free")
        return 0
    if not yes and not sys.stdin.isatty():
        console.out.print("nothing is freed: nobody can be asked here; to agree, add --yes")
        return 0
    if not console.agreed(f"free {removal.size(spare)}?", yes, "nothing is freed"):
        return 1
    # Looked at anew and held meanwhile: somebody may have begun to work while the question stood.
    with held(root, names) as busy:
        found = survey(root, busy, store)
        before = _weight(found)
        for one in found:
            one.release()
    console.out.print(f"freed {removal.size(before - _weight(found))}", markup=False)
    return 0


def _weight(found: list[Holding]) -> int:
    return sum(removal.weight(one.paths) for one in found)


def _table(found: list[Holding]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_footer=True, pad_edge=False)
    table.add_column("what", "in all", no_wrap=True)
    table.add_column("where", no_wrap=True)
    table.add_column("takes", removal.size(_weight(found)), justify="right", no_wrap=True)
    table.add_column("can go", removal.size(sum(one.spare for one in found)), justify="right", no_wrap=True)
    table.add_column("why")
    for one in found:
        sizes = removal.size(removal.weight(one.paths)), removal.size(one.spare) if one.spare else ""
        table.add_row(one.what, escape(one.where), *sizes, escape(one.why))
    return table
