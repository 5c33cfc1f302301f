"""docs/results.md, its pictures and docs/results.csv, from as much of a study as is measured."""

import csv
import io
from pathlib import Path
from typing import Any

from tasks.evaluation import plots, study_sections
from tasks.evaluation.comparison import rounded
from tasks.evaluation.study_gathering import gather
from tasks.evaluation.study_introduction import introduction
from tasks.evaluation.study_numbers import Study
from tasks.evaluation.study_pictures import pictures
from tasks.results import Plan

PAGE, NUMBERS, PICTURES = "results.md", "results.csv", "results"


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
    return docs / PAGE


def _page(study: Study, drawn: set[str]) -> str:
    """Put the sections together; each is left out while it has nothing to tell."""
    if not study.kept:
        return "# Results\n\nNothing is measured yet: `make results`, which takes hours, writes this page.\n"
    sections = [
        introduction(study),
        *(study_sections.dataset(study, name, drawn) for name in study.plan.strategies),
        study_sections.curves(study, drawn),
        study_sections.splits(study, drawn),
        study_sections.aims(study),
        study_sections.domains(study, drawn),
        study_sections.missing(study),
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
