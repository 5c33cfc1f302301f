"""The beginning of docs/results.md: what was measured, on what, and how to read it."""

import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np

from tasks.neural import devices
from tasks.study.numbers import Study
from tasks.study.tables import commands, spread, strategy, table

READING = """\
- **All scores are of the test split**, which no training learns from or chooses on: the head's strength and the
  epoch that is kept are chosen on validation.
- **Mean ± deviation** (over n - 1) over so many **seeds**. A seed decides the order of the samples, augmentation,
  dropout, new weights and which samples a share of the labels is; the splits stay. A frozen head has nothing random.
- **Over the head, over scratch**: points of accuracy, the mean over the seeds both have, with its 95 % bootstrap
  interval over the test samples (over whole groups where the table above says so). It is paired: both trainings
  answer the same samples, and each sample's correctness is averaged over the seeds first. What other seeds would
  change is not in it: that is what the deviation tells.
- **Calibration error**: how far confidence and share of right answers lie apart, on average over 15 bins of confidence.
- **Minutes of one core** are the processor time of all threads: comparable where the **seconds** on the clock are not,
  for those grow with whatever else the machine does. Of a training that was stopped: the time since it went on.
- **Memory** is the most the process ever held, of all seeds, Python and torch included.
- Each command prints what is kept of its measurements and makes those that are missing."""

PREPARE = "for stage in ingest preprocess extract; do python -m tasks $stage {name}; done"


def introduction(study: Study) -> str:
    """Say what was measured, on what, and how to read it."""
    rows = list(study.plan.rows())
    wanted, lines = sum(row.seeds for row in rows), ["# Results", ""]
    lines.append("Written by `make results`; [results.csv](results.csv) has a line for each measurement.")
    if len(study.kept) < wanted:
        told = f"{len(study.kept)} of {wanted} measurements are there, [the rest](#not-yet-measured) is to come"
        lines += ["", f"**This study is not complete**: {told}."]
    lines += ["", *_glance(study), "## What was measured", "", _datasets(study), "", *_where(study)]
    return "\n".join([*lines, "", "## How to read it", "", READING.replace("95 %", _level(study))])


def _level(study: Study) -> str:
    """Name the intervals' level, or the levels where data sets differ."""
    return " or ".join(sorted({f"{100 * judged.confidence:g} %" for judged in study.judged.values()}))


def _glance(study: Study) -> list[str]:
    """Return a small table of accuracies: the frozen head, the best and scratch of each data set."""
    rows = []
    for name in study.plan.strategies:
        known = {one: study.values(one, "accuracy") for one in study.measured(study.plan.trainings_of(name))}
        if known:
            best = max(known, key=lambda one: float(np.mean(known[one])))
            ends = [spread(known.get(f"{name}-{one}", [])) for one in ("head", "scratch")]
            rows.append([name, ends[0], f"{strategy(study, best)}: {spread(known[best])}", ends[1]])
    return [table(["accuracy", "frozen head", "highest", "scratch"], rows), ""] if rows else []


def _datasets(study: Study) -> str:
    """Return the table of the data sets and what each starts from."""
    rows = []
    for name, judged in study.judged.items():
        params = study.params.datasets[name]
        layers = f", its first {params.extract.layers} blocks" if params.extract.layers else ""
        counts = [f"{count:,}" for count in judged.samples.values()]
        rows.append([f"`{name}`", study.plan.about.get(name, ""), *counts, judged.units, params.backbone.name + layers])
    return table(["data set", "what it is", "train", "validation", "test", "resampled by", "pretrained"], rows)


def _where(study: Study) -> list[str]:
    """Name the machine that writes this, the commits that measured, and what makes a single row's data."""
    commits = sorted({kept.record["commit"] or "" for kept in study.kept.values()})
    named = ", ".join(f"`{commit[:12]}`" if commit else "a folder without a commit" for commit in commits)
    precision = "bfloat16" if devices.native_bfloat16(devices.device()) else "float32"
    return [
        f"This page was written on {_processor()}, {devices.cores()} cores, device {devices.device().type}, "
        f"torch {version('torch')}, where `precision: auto` is {precision}.",
        f"The measurements were made at {named}, with the values of [study/params.yaml](../study/params.yaml); "
        "[study/plan.yaml](../study/plan.yaml) lists the rows.",
        "`make results` makes all of them and goes on where it was stopped. A single row first needs the samples and "
        "features of its data set, once:",
        "",
        commands([PREPARE.format(name=name) for name in study.judged]),
    ]


def _processor() -> str:
    """Return what the processor calls itself."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
