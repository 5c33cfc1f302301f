"""What data the training saw, what was refused and why, and which leaks were looked for."""

from typing import Any

import numpy as np
import pandas as pd

from tasks.reporting import charts, words
from tasks.reporting.gather import Gathered, Mapping
from tasks.workspace import Workspace

SPLITS = ("train", "validation", "test")
MOST_LABELS = 20
MOST_REASONS = 15
MOST_NAMES = 40
FACTS = {"truncated": "texts were longer than is read and were cut", "cut": "recordings were longer than the window"}


def data(found: Gathered) -> dict[str, Any]:
    """Return counts by split and label or the spread of values, what was refused, duplicates, groups."""
    samples = found.samples
    ingested, prepared = found.counters.get("ingest", {}), found.counters.get("preprocess", {})
    source = found.params.ingest.source
    return {
        "source": {"kind": source.kind, "path": str(source.path), "licence": getattr(source, "licence", None)},
        "splits": {split: int(found.metrics["samples"].get(split, 0)) for split in SPLITS},
        "labels": _labels(samples) if found.params.objective == "classification" else None,
        "histograms": _histograms(samples) if found.params.objective == "regression" else [],
        "groups": _groups(samples),
        "unsure": int((samples["confidence"] < 1).sum()) if "confidence" in samples else 0,
        "found": ingested.get("read"),
        "duplicates": ingested.get("duplicates"),
        "used": len(samples),
        "facts": [
            f"{words.counted(prepared[key], '').strip()} {said}" for key, said in FACTS.items() if prepared.get(key)
        ],
        "refused": _refused(found.refused),
        "refused_count": len(found.refused),
        "refused_file": _refused_file(found.workspace),
    }


def _labels(samples: pd.DataFrame) -> dict[str, Any]:
    """Return a row per label, the commonest first: its number in each split and its share of each."""
    if not len(samples):
        return {"rows": [], "hidden": 0}
    table = pd.crosstab(samples["label"].astype(str), samples["split"]).reindex(columns=list(SPLITS), fill_value=0)
    table = table.loc[table.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    totals = table.sum(axis=0).to_numpy().clip(min=1)
    rows = [
        {
            "label": str(label),
            "cells": [
                {"count": int(count), "share": round(100 * count / total, 1)}
                for count, total in zip(counts, totals, strict=True)
            ],
        }
        for label, counts in zip(table.index[:MOST_LABELS], table.to_numpy(), strict=False)
    ]
    return {"rows": rows, "hidden": max(0, len(table) - MOST_LABELS)}


def _histograms(samples: pd.DataFrame) -> list[Any]:
    if not len(samples):
        return []
    parts = [(split, samples.loc[samples["split"] == split, "label"].to_numpy(np.float64)) for split in SPLITS]
    return [
        {"split": split, "chart": charts.histogram(values, "label", f"Labels of the {split} split", bins=16)}
        for split, values in parts
        if len(values)
    ]


def _groups(samples: pd.DataFrame) -> dict[str, int] | None:
    """Count the groups, and those that stand in more than one split; None where no sample has one."""
    known = samples.dropna(subset=["group"]) if "group" in samples else samples
    if not len(known):
        return None
    splits = known.groupby("group")["split"].nunique()
    return {"count": len(splits), "torn": int((splits > 1).sum())}


def _refused(refused: list[Mapping]) -> list[dict[str, Any]]:
    """Return each reason, the commonest first, with its mend, how many samples it refused, and their names."""
    names: dict[tuple[str, str], list[str]] = {}
    for one in refused:
        names.setdefault((one.get("reason") or "", one.get("mend") or ""), []).append(one.get("name") or "")
    ordered = sorted(names.items(), key=lambda pair: -len(pair[1]))
    return [
        {"reason": reason, "mend": mend, "count": f"{len(told):,}", "names": told[:MOST_NAMES],
         "more": max(0, len(told) - MOST_NAMES)}
        for (reason, mend), told in ordered[:MOST_REASONS]
    ]  # fmt: skip


def _refused_file(workspace: Workspace) -> str:
    whole = workspace.home / "refused.csv"
    return (whole if whole.exists() else workspace.raw / "refused.csv").relative_to(workspace.root).as_posix()


def leaks(found: Gathered) -> list[dict[str, Any]] | None:
    """Return each check with its verdict, what it says and examples as texts; None where nothing was looked for."""
    if found.leaks is None:
        return None
    return [
        {
            "check": one.get("check", ""),
            "said": one.get("said", ""),
            "found": one.get("found"),
            "verdict": one.get("verdict", ""),
            "examples": [_example(example) for example in (one.get("examples") or [])[:5]],
        }
        for one in found.leaks
    ]


def _example(example: Any) -> str:
    """Put an example of whatever shape on a line."""
    if isinstance(example, dict):
        return ", ".join(f"{key.replace('_', ' ')} {_example(value)}" for key, value in example.items())
    if isinstance(example, list):
        return " and ".join(_example(one) for one in example)
    return words.number(example) if isinstance(example, float) else str(example)
