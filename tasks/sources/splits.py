"""Decides which sample is learnt from, which chooses among models, and which is asked at the very end."""

import hashlib

import numpy as np
import pandas as pd

from tasks.errors import SourceError
from tasks.schema import ColumnSplit, HashSplit, StratifiedSplit

SPLITS = ("train", "validation", "test")
BINS = 10
"""A stratified split of numbers keeps the shares of their deciles."""


def assign(table: pd.DataFrame, split: HashSplit | StratifiedSplit | ColumnSplit) -> pd.Series:
    """Return the split of each row of a table with the columns id, name, label, group and split.

    SourceError if a split stays empty, if groups are asked for and missing, or if one lies in two splits.
    """
    if isinstance(split, HashSplit):
        splits = _by_hash(table, split)
    elif isinstance(split, StratifiedSplit):
        splits = _stratified(table, split)
    else:
        splits = _declared(table)
    for name in SPLITS:
        if not (splits == name).any():
            raise SourceError(f"the {name} split has no sample of {len(table):,}; {_advice(split)}")
    return splits


def _by_hash(table: pd.DataFrame, split: HashSplit) -> pd.Series:
    """Place each group or sample by its own hash: what is added later moves nothing that was there."""
    keys = table["id"]
    if split.by == "group":
        keys = table["group"]
        without = table[keys == ""]
        if len(without):
            missing = f"{len(without):,} of {len(table):,} samples have no group"
            advice = "name a column of groups, or set ingest.split.by to sample"
            raise SourceError(f"{missing}, the first is {without['name'].iloc[0]}; {advice}")
    places = {key: place(split.salt, key) for key in keys.unique()}
    return _cut(keys.map(places), split.test, split.validation)


def place(salt: str, key: str) -> float:
    """Return a number in [0, 1) that depends on nothing but the salt and the key."""
    digest = hashlib.sha256(f"{salt}\0{key}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def strata(labels: pd.Series) -> pd.Series:
    """Return what samples are alike by: their label, or the decile of a number."""
    if pd.api.types.is_float_dtype(labels):
        return pd.qcut(labels, BINS, labels=False, duplicates="drop")
    return labels


def _stratified(table: pd.DataFrame, split: StratifiedSplit) -> pd.Series:
    """Draw at random within each label, or each decile of a number, in the order of the ids."""
    generator = np.random.default_rng(split.seed)
    places = pd.Series(0.0, index=table.index)
    for _, rows in table.sort_values("id").groupby(strata(table["label"]), sort=True):
        # The middle of its slot, so that shares are met to the nearest sample.
        places[rows.index] = (generator.permutation(len(rows)) + 0.5) / len(rows)
    return _cut(places, split.test, split.validation)


def _cut(places: pd.Series, test: float, validation: float) -> pd.Series:
    """Cut [0, 1) into test, validation and train: another validation share leaves the test split as it is."""
    names = np.select([places < test, places < test + validation], ["test", "validation"], "train")
    return pd.Series(names, index=places.index)


def _declared(table: pd.DataFrame) -> pd.Series:
    grouped = table[table["group"] != ""].groupby("group")["split"]
    torn = grouped.nunique().loc[lambda counts: counts > 1]
    if len(torn):
        places = ", ".join(sorted(grouped.get_group(torn.index[0]).unique()))
        raise SourceError(
            f"{len(torn):,} groups lie in several splits, the first {torn.index[0]} in {places}; "
            "keep each group in one, or set ingest.source.columns.group to null"
        )
    return table["split"]


def _advice(split: HashSplit | StratifiedSplit | ColumnSplit) -> str:
    return {
        "hash": "change ingest.split.salt or its shares, or add data (groups, where it goes by group)",
        "stratified": "change the shares of ingest.split, or add data",
        "column": f"its column must name {', '.join(SPLITS)}",
    }[split.kind]
