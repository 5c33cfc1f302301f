"""The sections of docs/results.md in words; each is empty while nothing of it is measured."""

from collections.abc import Iterable

import numpy as np

from tasks.study import findings, tables
from tasks.study.numbers import Study
from tasks.study.pictures import CURVES, SHIFTS, SPLITS
from tasks.study.plan import Row
from tasks.study.tables import NONE, commands, ends, labelled, points, spread, table


def dataset(study: Study, name: str, drawn: set[str]) -> str:
    """Tell a data set's strategies side by side: scores, costs, commands."""
    names = study.measured(study.plan.trainings_of(name))
    if not names:
        return ""
    return _section(
        f"{name}: strategies side by side",
        _picture(name, f"Accuracy of each strategy on {name}", drawn),
        _list(findings.of_dataset(study, name)),
        tables.scores(study, name),
        "What that costs:",
        tables.costs(study, name),
        _commands(study, names),
    )


def curves(study: Study, drawn: set[str]) -> str:
    """Tell how accuracy grows with the labels."""
    if CURVES not in drawn:
        return ""
    parts = []
    for name in study.plan.curves.trainings:
        found = _list(findings.of_curves(study, name))
        parts += [f"### {name}", *([found] if found else []), tables.curves(study, name)]
    rows = [row for row in study.plan.rows() if row.share < 1]
    folded = f"<details><summary>The commands</summary>\n\n{_shell(rows)}\n\n</details>"
    return _section(
        "How many labels it takes",
        _picture(CURVES, "Accuracy over the share of the labels learnt from", drawn),
        f"Each share of the labels is drawn {_times(study.plan.seeds.curves)}, with a seed each. Lines are means, "
        "bands reach from the lowest seed to the highest. Where there are groups, whole ones are taken, so a share is "
        "met roughly. In brackets: samples and, where seeds are missing, how many there are.",
        *parts,
        folded,
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def splits(study: Study, drawn: set[str]) -> str:
    """Tell what a random split makes of trainings that a grouped one measured too."""
    names = study.measured(study.plan.recipes)
    if not names:
        return ""
    columns = ["training", "seeds", "random split", "its interval", "whole groups", "its interval", "difference"]
    return _section(
        "A random split against whole groups",
        _picture(SPLITS, "Accuracy on the random split beside the grouped one", drawn),
        "With a random split, samples like those learnt from are in the test split too. The two test splits hold other "
        "samples, so the difference, in points, is not a paired one.",
        _list(findings.of_splits(study)),
        table(columns, [_two_splits(study, name, study.grouped(name)) for name in names]),
        _commands(study, names),
    )


def _two_splits(study: Study, name: str, grouped: str | None) -> list[str]:
    both = [name, grouped] if grouped else [name]
    seeds = " and ".join(dict.fromkeys(str(len(study.records(one))) for one in both))
    told = [cell for one in both for cell in (spread(study.values(one, "accuracy")), ends(study.interval(one)))]
    gap = points(study.mean(name) - study.mean(grouped)) if grouped else NONE
    return [f"`{name}`", seeds, *told, *([] if grouped else [NONE, NONE]), gap]


def aims(study: Study) -> str:
    """Tell for each training with an aim whether the mean over the seeds measured so far reached it."""
    rows = []
    for name in study.measured(list(study.plan.aims)):
        for metric, aim in study.plan.aims[name].items():
            values = study.values(name, metric)
            short = float(np.mean(values)) - aim
            verdict = "reached" if short >= 0 else f"missed by {-100 * short:.2f} points"
            told = [metric.replace("_", " "), f"{100 * aim:g} %", spread(values, 2), str(len(values)), verdict]
            rows.append([f"`{name}`", *told])
    if not rows:
        return ""
    text = "Whether the mean over the seeds measured so far reaches what was aimed at on the test split."
    return _section("Aims", text, table(["training", "metric", "aim", "test", "seeds", "the mean has"], rows))


def domains(study: Study, drawn: set[str]) -> str:
    """Tell what remains of an accuracy on samples of another domain than was learnt from."""
    names = study.measured(study.plan.shifts)
    if not names:
        return ""
    rows = []
    for name in names:
        own, other = study.values(name, "accuracy", split="validation"), study.values(name, "accuracy")
        gap = points(float(np.mean(other)) - float(np.mean(own)))
        told = [str(len(other)), spread(own), spread(other), ends(study.interval(name)), gap]
        rows.append([f"`{name}`", *told])
    columns = ["training", "seeds", "own domain (validation)", "other domain (test)", "its interval", "difference"]
    about = {study.params.trainings[name].dataset for name in names} & set(study.plan.about)
    return _section(
        "Another domain",
        _picture(SHIFTS, "Accuracy on the own domain beside another", drawn),
        _list(f"`{name}`: {study.plan.about[name]}." for name in sorted(about)),
        "The epoch that is kept is chosen on the validation split, which flatters it a little.",
        _list(findings.of_shifts(study)),
        table(columns, rows),
        _commands(study, names),
    )


def missing(study: Study) -> str:
    """List the rows of the plan of which seeds are missing, with the commands that measure them."""
    rows = list(study.missing())
    if not rows:
        return ""
    told = [
        [f"`{row.training}`", labelled(row.share), f"{count} of {row.seeds}", f"`transfer {' '.join(row.command())}`"]
        for row, count in rows
    ]
    columns = ["training", "labels", "seeds measured", "command, in study/"]
    seeds = sum(row.seeds - count for row, count in rows)
    return _section(
        "Not yet measured", f"{seeds} measurements of the plan; `make results` makes them.", table(columns, told)
    )


def _section(title: str, *parts: str) -> str:
    """Return a heading and what stands under it, empty parts left out."""
    return "\n\n".join([f"## {title}", *(part for part in parts if part)])


def _picture(name: str, told: str, drawn: set[str]) -> str:
    return f"![{told}](results/{name}.png)" if name in drawn else ""


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _commands(study: Study, trainings: Iterable[str]) -> str:
    return _shell([Row(name, 1.0, study.plan.seeds.rows) for name in trainings])


def _shell(rows: Iterable[Row]) -> str:
    return commands([f"transfer {' '.join(row.command())}" for row in rows])
