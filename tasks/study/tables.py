"""A study's numbers as Markdown: accuracies, differences and costs, each with its spread and its seeds."""

import re
from collections.abc import Callable, Sequence

import numpy as np

from tasks.evaluation.bootstrap import Interval
from tasks.experiments.measurements import Record
from tasks.study.numbers import Study

NONE = "–"  # noqa: RUF001 - a dash in an empty cell


NUMBER = re.compile(rf"[-+\d]|{NONE}$")
"""How a cell begins that holds a number, or nothing."""


def percent(value: float) -> str:
    """Return a share in per cent: 97.6 %."""
    return f"{100 * value:.1f} %"


def labelled(share: float) -> str:
    """Return a share of the labels: 5 %."""
    return f"{100 * share:g} %"


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Return mean ± deviation (over n - 1) of shares, in per cent; of one value the value."""
    if not values:
        return NONE
    told = f"{100 * np.mean(values):.{digits}f} %"
    return f"{told} ± {100 * np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else told


def points(value: float) -> str:
    """Return a difference of shares in points, with its sign: +1.4."""
    return f"{round(100 * value, 1) + 0.0:+.1f}"


def gain(difference: Interval | None) -> str:
    """Return a difference in points with its interval: +1.4 (+0.4 to +2.3)."""
    if difference is None or difference["value"] is None:
        return NONE
    return f"{points(difference['value'])} ({ends(difference, points)})"


def ends(interval: Interval, told: Callable[[float], str] = lambda share: f"{100 * share:.1f}") -> str:
    """Return the two ends of an interval: 96.3 to 98.8."""
    low, high = interval["low"], interval["high"]
    return NONE if low is None or high is None else f"{told(low)} to {told(high)}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, columns of numbers to the right."""
    ruled = ["---:" if all(NUMBER.match(row[place]) for row in rows) else "---" for place in range(len(columns))]
    return "\n".join(f"| {' | '.join(line)} |" for line in (columns, ruled, *rows))


def commands(lines: Sequence[str]) -> str:
    """Return a block of shell commands that are typed in study/."""
    return "\n".join(["```", "cd study", *lines, "```"])


def scores(study: Study, dataset: str) -> str:
    """Return the table of how well a data set's trainings answer the test split."""
    head, scratch = f"{dataset}-head", f"{dataset}-scratch"
    rows = []
    for name in study.measured(study.plan.trainings_of(dataset)):
        told = [spread(study.values(name, key)) for key in ("accuracy", "macro_f1", "calibration_error")]
        gains = [gain(study.difference(name, other)) for other in (head, scratch)]
        rows.append([strategy(study, name), str(len(study.records(name))), *told, *gains])
    columns = ["strategy", "seeds", "accuracy", "macro-F1", "calibration error", "over the head", "over scratch"]
    return table(columns, rows)


def costs(study: Study, dataset: str) -> str:
    """Return the table of what a data set's trainings cost, on average over the seeds."""
    rows = []
    for name in study.measured(study.plan.trainings_of(dataset)):
        records = study.records(name)
        trained, total = (records[0]["parameters"][key] for key in ("trained", "total"))
        rows.append([
            strategy(study, name),
            str(len(records)),
            f"{trained:,} of {total:,}",
            _minutes(_mean(records, "core_seconds")),
            f"{_mean(records, 'seconds'):,.0f}",
            f"{max(record['peak_mebibytes'] for record in records):,}",
            best_epochs(records),
        ])  # fmt: skip
    columns = ["strategy", "seeds", "parameters that learn", "minutes of one core", "seconds", "memory, MiB"]
    return table([*columns, "best epoch"], rows)


def strategy(study: Study, training: str) -> str:
    """Return what a training is called beside the others of its data set."""
    params = study.params.trainings[training]
    return training.removeprefix(f"{params.dataset}-")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.2f}" if seconds < 60 else f"{seconds / 60:.1f}"


def _mean(records: list[Record], key: str) -> float:
    return float(np.mean([record[key] for record in records]))


def best_epochs(records: list[Record]) -> str:
    """Return the best epoch of each seed and how many there were: 5, 6, 8 of 8."""
    counts = sorted({record["epochs"] for record in records})
    if counts == [0]:
        return NONE
    best = ", ".join(str(record["best_epoch"]) for record in records)
    return f"{best} of {' to '.join(map(str, sorted({counts[0], counts[-1]})))}"


def curves(study: Study, dataset: str) -> str:
    """Return the table of accuracies over shares of the train split; in brackets the seeds, where some are missing."""
    shares = [*study.plan.curves.shares, 1.0]
    names = study.plan.curves_of(dataset)
    samples = [share_samples(study, names, share) for share in shares]
    told = [f" ({count:,})" if count else "" for count in samples]
    heads = [labelled(share) + count for share, count in zip(shares, told, strict=True)]
    rows = [[strategy(study, name), *(_cell(study, name, share) for share in shares)] for name in names]
    return table(["strategy", *heads], rows)


def _cell(study: Study, training: str, share: float) -> str:
    values = study.values(training, "accuracy", share)
    seeds = study.plan.seeds.rows if share == 1 else study.plan.seeds.curves
    few = f" ({len(values)})" if 0 < len(values) < seeds else ""
    return spread(values) + few


def share_samples(study: Study, trainings: Sequence[str], share: float) -> int:
    """Return how many samples a share of the train split is, on average over seeds; 0 where nothing tells."""
    counts = [record["samples"]["train"] for name in trainings for record in study.records(name, share)]
    return round(float(np.mean(counts))) if counts else 0
