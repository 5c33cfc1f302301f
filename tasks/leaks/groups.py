"""Names that look like groups: several pictures of one patient, recordings of one speaker, in several splits."""

from collections.abc import Callable

import pandas as pd

from tasks.leaks import names
from tasks.leaks.finding import SHOWN, Finding, clean, reported

CHECK = "names that look like groups"
FAMILIES: dict[str, tuple[Callable[[str], str], str]] = {
    "a stem": (names.family, names.STEM_PATTERN),
    "a folder": (names.inner_folder, names.FOLDER_PATTERN),
}
"""What names may share: how it is found, and the ingest.group_pattern that makes it the group."""
LEAST = 3
"""Families without which names say nothing: a single one, IMG, is what a camera calls all its pictures."""
SHARE = 0.5
"""How many of the samples must lie in a family with others, and how many may at most lie in one."""
ADVICE = "if these belong together, set ingest.split.by: group and name a column of groups, or ingest.group_pattern: "


def look(samples: pd.DataFrame) -> Finding:
    """Look at `samples` (name, label, group, split); where groups are declared, nothing is guessed."""
    if samples["group"].notna().any():
        return clean(CHECK, "not looked at: groups are declared")
    for what, (key, _) in FAMILIES.items():
        families = samples["name"].map(key)
        if _plausible(families, samples["label"]):
            return _told(what, families, samples)
    return clean(CHECK, "none")


def _plausible(families: "pd.Series[str]", labels: "pd.Series[str]") -> bool:
    """Tell whether many samples share one of several families, which are not just the labels over again."""
    known = families[families != ""]
    counts = known.value_counts()
    several = counts[counts > 1]
    if len(several) < LEAST or several.sum() < SHARE * len(families) or several.iloc[0] > SHARE * len(families):
        return False
    one_each = labels[known.index].groupby(known).nunique().max() == 1
    return not (one_each and len(counts) <= labels.nunique())


def _told(what: str, families: "pd.Series[str]", samples: pd.DataFrame) -> Finding:
    known = samples[families != ""].assign(family=families)
    lies_in = known.groupby("family")["split"].nunique()
    torn = lies_in.index[lies_in > 1]
    if not len(torn):
        return clean(CHECK, f"{known['family'].nunique():,} sets of names share {what}, each lies in one split")
    first = known[known["family"].isin(torn)].sort_values("name")
    shown = first.groupby("family", sort=False).head(2).head(SHOWN)
    said = f"{len(first):,} samples share {what} with others, and {len(torn):,} of these sets lie in several splits"
    examples = [f"{row.name} ({row.split})" for row in shown.itertuples(index=False, name="Sample")]
    return reported(CHECK, len(torn), f"{said}: {ADVICE}'{FAMILIES[what][1]}'", examples)
