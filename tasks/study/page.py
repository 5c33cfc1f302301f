"""docs/results.md, its pictures and docs/results.csv, from as much of a study as is measured."""

import csv
import io
from pathlib import Path
from typing import Any

from tasks.evaluation import plots
from tasks.evaluation.comparison import rounded
from tasks.study import ranking
from tasks.study import sections as told
from tasks.study.gathering import gather
from tasks.study.introduction import introduction
from tasks.study.numbers import Study
from tasks.study.pictures import pictures
from tasks.study.plan import Plan
from tasks.workspace import write_json

PAGE, NUMBERS, PICTURES, RANKING = "results.md", "results.csv", "results", "ranking.json"


def write(root: Path, study: Path, plan: Plan) -> Path:
    """Write the page of what is measured in the folder `study` into `root`/docs, and return it.

    The same measurements give the same bytes on the same machine.
    """
    found = gather(study, plan)
    docs = root / "docs"
    (docs / PICTURES).mkdir(parents=True, exist_ok=True)
    for old in (docs / PICTURES).glob("*.png"):
        old.unlink()
    drawn = pictures(found)
    for name, figure in drawn.items():
        plots.save(figure, docs / PICTURES / f"{name}.png")
    (docs / PAGE).write_text(_page(found, set(drawn)), encoding="utf-8")
    (docs / NUMBERS).write_text(_numbers(found), encoding="utf-8")
    write_json(docs / RANKING, ranking.summary(found))
    return docs / PAGE


def _page(study: Study, drawn: set[str]) -> str:
    """Put the sections together; each is left out while it has nothing to tell."""
    if not study.kept:
        return "# Results\n\nNothing is measured yet: `make results`, which takes hours, writes this page.\n"
    sections = [
        introduction(study),
        *(told.dataset(study, name, drawn) for name in study.plan.strategies),
        told.curves(study, drawn),
        told.splits(study, drawn),
        told.aims(study),
        told.domains(study, drawn),
        ranking.section(study),
        told.missing(study),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _numbers(study: Study) -> str:
    """Return a CSV line per measurement, with the columns that any of them has."""
    lines = [rounded(_flat(study.kept[key].record)) for key in sorted(study.kept)]
    columns = dict.fromkeys(column for line in lines for column in line)
    written = io.StringIO()
    writer = csv.DictWriter(written, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return written.getvalue()


def _flat(content: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Name what is nested by its path: test_accuracy, samples_train."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        name = before if key == "scores" else f"{before}{key}"
        flat |= _flat(value, f"{name}_" if name else "") if isinstance(value, dict) else {name: value}
    return flat
