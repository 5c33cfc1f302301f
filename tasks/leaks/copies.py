"""What ingest and preprocess found of copies: the same bytes, and near duplicates."""

from pathlib import Path
from typing import Any

import pandas as pd

from tasks.leaks.finding import SHOWN, Finding, clean
from tasks.leaks.near_duplicates import ABOUT, TABLE
from tasks.workspace import read_json

SAME, ACROSS, WITHIN = "same bytes in several splits", "near duplicates across splits", "near duplicates in one split"


def same_bytes(raw: Path) -> Finding:
    """Tell what ingest refused because the same bytes stood in several splits; else they are kept once."""
    refused = pd.read_csv(raw / "refused.csv", dtype=str, keep_default_na=False)
    torn = refused[refused["reason"].str.contains("hold the same but stand in the splits", regex=False)]
    if torn.empty:
        return clean(SAME, "none: the same bytes are kept once")
    said = f"{len(torn):,} held the same bytes as one of another declared split and were refused"
    return Finding(SAME, len(torn), "refused", said, torn["reason"].drop_duplicates().head(SHOWN).tolist())


def near_duplicates(prepared: Path) -> list[Finding]:
    """Tell what preprocess found: samples like one of a later split, and like one of their own."""
    about = read_json(prepared / ABOUT)
    table = pd.read_csv(prepared / TABLE, keep_default_na=False).sort_values("likeness", ascending=False)
    return [_across(table, about), _within(about)]


def _across(table: pd.DataFrame, about: dict[str, Any]) -> Finding:
    found = len(table.drop_duplicates(["split", "name"]))
    if not found:
        return clean(ACROSS, f"none by a likeness of {about['likeness']:g}")
    refuse = about["across_splits"] == "refuse"
    gone = "were refused" if refuse else "stay in (preprocess.near_duplicates.across_splits: refuse takes them out)"
    said = f"{found:,} of train or validation resemble one of a later split by {about['likeness']:g} or more and {gone}"
    examples = [
        f"{row.name} ({row.split}) resembles {row.other_name} ({row.other_split}), likeness {row.likeness:.3f}"
        for row in table.head(SHOWN).itertuples(index=False, name="Copy")
    ]
    return Finding(ACROSS, found, "refused" if refuse else "reported", said, examples)


def _within(about: dict[str, Any]) -> Finding:
    counts = about["within"]
    told = ", ".join(f"{split} {count:,}" for split, count in counts.items() if count)
    said = f"samples that resemble another of their own split: {told}" if told else "none"
    return clean(WITHIN, said, sum(counts.values()))
