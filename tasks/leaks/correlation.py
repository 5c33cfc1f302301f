"""How alike two small pictures or spectrograms are, whatever their brightness, contrast or loudness."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from tasks.objectives import Array


def stacked(marks: Sequence[Array]) -> Sequence[Array]:
    """Return marks of one length as one array [N, L], of which many are taken at one go; others as they are."""
    same = len({len(mark) for mark in marks}) == 1
    return cast(Sequence[Array], np.stack(list(marks))) if same else marks


def taken(marks: Sequence[Array], rows: Array) -> Array:
    """Return the marks [P, L] of the numbers int64 [P]; all have one length."""
    return marks[rows] if isinstance(marks, np.ndarray) else np.stack([marks[row] for row in rows])


def correlation(one: Array, other: Array) -> Array:
    """Return Pearson's correlation float32 [P] of the rows of two [P, D], 0 where it is negative.

    Two rows without any difference in them are alike, one such row is like no other.
    """
    first, second = (_centred(rows) for rows in (one, other))
    lengths = [np.sqrt(np.einsum("pd,pd->p", rows, rows)) for rows in (first, second)]
    both, flat = lengths[0] * lengths[1], (lengths[0] < 1) & (lengths[1] < 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(flat, 1.0, np.where(both > 0, np.einsum("pd,pd->p", first, second) / both, 0.0))
    return np.clip(found, 0, 1).astype(np.float32)


def _centred(rows: Array) -> Array:
    values = rows.astype(np.float32)
    return np.asarray(values - values.mean(axis=1, keepdims=True))
