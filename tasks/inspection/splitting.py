"""Chooses how a data set is split: groups whole, every class in every split, enough in the test."""

from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from tasks.errors import SourceError
from tasks.inspection.census import Census, placed
from tasks.schema import ColumnSplit, HashSplit, Split
from tasks.sources.splits import SPLITS

VALIDATION = 0.15
TEST_LEAST, TEST_MOST, TEST_WANTED = 0.15, 0.25, 100
"""The share of the test split: so that it has so many samples, between these bounds."""
SALTS = 100
ROWS_HASHED = 2_000_000
"""Of large data fewer salts are tried: so many rows are placed in all."""
UNKNOWN = 1000
"""How much worse than another fault it is that a class is never learnt."""
GROUPS_FOR_INTERVALS = 10
"""With fewer groups in the test split, drawing groups anew says nothing of the spread."""


class Division(NamedTuple):
    """The `split` of params.yaml, what an interval is drawn by, samples per split, and why."""

    split: dict[str, Any]
    interval_by: str
    counts: dict[str, int]
    reasons: list[str]


class Chosen(NamedTuple):
    """A split, where it puts each row of a census, and why it was chosen."""

    census: Census
    split: Split
    places: "pd.Series[Any]"
    reasons: list[str]


def divided(name: str, census: Census, declared: bool) -> Division:
    """Choose the split of data set `name`, by what its rows declare where they do and it holds.

    SourceError where there are too few samples to split, or a class that could never be learnt.
    """
    found = _declared(census) if declared else None
    return _learnable(found or _drawn(name, census))


def _declared(census: Census) -> Chosen | None:
    split = ColumnSplit(kind="column")
    places = placed(census, split)
    return None if places is None else Chosen(census, split, places, ["as the data declares it"])


def _drawn(name: str, census: Census) -> Chosen:
    """Split by a hash, of the groups where there are enough of them."""
    groups = census.table["group"]
    without, several = int((groups == "").sum()), groups[groups != ""].nunique()
    if not without and 3 <= several < len(groups):
        by_group = _by_hash(name, census, "group")
        if by_group is not None:
            return by_group
    found = _by_hash(name, census, "sample")
    if found is None:
        raise SourceError(f"{len(census.table):,} usable samples are too few for train, validation and test")
    if 1 < several < len(groups) - without:
        why = f"{without:,} samples have no group" if without else f"{several} groups are too few for three splits"
        return found._replace(reasons=[f"{why}, so groups lie in several splits, which flatters", *found.reasons])
    return found


def _learnable(chosen: Chosen) -> Division:
    """Return the division; SourceError where a class stands in no train split."""
    labels = chosen.census.table["label"]
    if not pd.api.types.is_float_dtype(labels):
        unknown = sorted(set(labels) - set(labels[chosen.places == "train"]))
        if unknown:
            raise SourceError(
                f"{len(unknown)} classes have no sample in the train split, such as {unknown[0]!r}: "
                "give each three samples or more, or take it out"
            )
    return _division(chosen)


def _by_hash(name: str, census: Census, by: Literal["group", "sample"]) -> Chosen | None:
    """Try salts, NAME, NAME-2 ...: the first one by which every class that can stands in every split."""
    test = min(max(np.ceil(20 * TEST_WANTED / max(len(census.table), 1)) / 20, TEST_LEAST), TEST_MOST)
    tried: list[tuple[float, int, HashSplit, pd.Series[Any]]] = []
    salts = max(min(SALTS, ROWS_HASHED // max(len(census.table), 1)), 10)
    for number in range(1, salts + 1):
        salt = name if number == 1 else f"{name}-{number}"
        split = HashSplit(kind="hash", by=by, salt=salt, validation=VALIDATION, test=test)
        places = placed(census, split)
        if places is not None:
            tried.append((_fault(census, places, split), number, split, places))
            if tried[-1][0] == 0:
                break
    if not tried:
        return None
    fault, number, split, places = min(tried, key=lambda entry: entry[:2])
    reasons = [f"by a hash of the {'group' if by == 'group' else 'content'}: what is added later moves nothing"]
    if fault:
        reasons.append(f"none of {salts} salts puts every class into every split in these shares; this one comes near")
    elif number > 1:
        reasons.append(f"salt {split.salt}: the first of {name}, {name}-2 ... with every class in every split")
    return Chosen(census, split, places, reasons)


def _fault(census: Census, places: "pd.Series[Any]", split: HashSplit) -> float:
    """Return 0 where each class is in train and, with 3 samples, everywhere, and the shares are about as wanted."""
    labels = census.table["label"]
    missing = 0
    if not pd.api.types.is_float_dtype(labels):
        codes, names = pd.factorize(labels)
        columns = pd.Categorical(places, categories=list(SPLITS)).codes
        cells = np.bincount(codes * len(SPLITS) + columns, minlength=len(names) * len(SPLITS))
        counted = cells.reshape(-1, len(SPLITS))
        missing = int((counted[counted.sum(axis=1) >= len(SPLITS)] == 0).sum())
        missing += UNKNOWN * int((counted[:, 0] == 0).sum())
    shares = places.value_counts(normalize=True)
    wanted = {"test": split.test, "validation": split.validation}
    off = max(abs(float(shares.get(name, 0.0)) / share - 1) for name, share in wanted.items())
    return missing + (off if off > 0.5 else 0.0)


def _division(chosen: Chosen) -> Division:
    census, split, places, reasons = chosen
    groups = census.table["group"][places == "test"]
    whole = not (isinstance(split, HashSplit) and split.by == "sample")
    several = whole and bool((groups != "").all()) and groups.nunique() < len(groups)
    by = "group" if several and groups.nunique() >= GROUPS_FOR_INTERVALS else "sample"
    if several and by == "sample":
        reasons = [*reasons, f"only {groups.nunique()} of the groups in the test: its interval says nothing of others"]
    counts = {name: int((places == name).sum()) for name in SPLITS}
    return Division(split.model_dump(), by, counts, reasons)
