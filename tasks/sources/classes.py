"""Looks at the classes of a data set as a whole: one spelling each, at least two, and each where it is needed."""

import unicodedata

import pandas as pd

from tasks.errors import SourceError
from tasks.progress import note
from tasks.sources.splits import SPLITS

SHOWN = 3
"""How many classes a line names."""


def check_labels(table: pd.DataFrame, objective: str) -> None:
    """Raise SourceError where all labels are one, or differ only by case, blanks or the way an accent is stored."""
    if table["label"].nunique() == 1:
        raise SourceError(f"all {len(table):,} samples have the label {table['label'].iloc[0]}; add samples of others")
    if objective != "classification":
        return
    counts = table["label"].value_counts().sort_index()
    alike = [names for _, names in counts.index.to_series().groupby(_bare) if len(names) > 1]
    if alike:
        told = "; ".join(" and ".join(f"{name!r} ({counts[name]:,})" for name in names) for names in alike[:SHOWN])
        more = f"; and {len(alike) - SHOWN:,} more" if len(alike) > SHOWN else ""
        raise SourceError(
            f"labels differ only by case or blanks: {told}{more}; write each class in one way, "
            "or give those that are meant to differ other names"
        )


def check_splits(table: pd.DataFrame, objective: str) -> int:
    """Return how many classes are missing in validation or test, and tell which.

    Raises SourceError where a class cannot be learnt: the train split has no sample of it.
    """
    if objective != "classification":
        return 0
    there = pd.crosstab(table["label"], table["split"]).reindex(columns=list(SPLITS), fill_value=0) > 0
    if not there["train"].all():
        raise SourceError(
            f"the train split has no sample of {_named(there[~there['train']])}; "
            "add samples, take the class out, or change ingest.split"
        )
    for split in SPLITS[1:]:
        if not there[split].all():
            note(f"the {split} split has no sample of {_named(there[~there[split]])}: nothing is said of it there")
    return int((~there.all(axis=1)).sum())


def _named(missing: pd.DataFrame) -> str:
    """Name some of the classes."""
    more = f" and {len(missing) - SHOWN:,} more classes" if len(missing) > SHOWN else ""
    return ", ".join(map(repr, missing.index[:SHOWN])) + more


def _bare(label: str) -> str:
    """Return a label without what a reader does not see: case, blanks, how its accents are stored."""
    return "".join(unicodedata.normalize("NFKC", label).casefold().split())
