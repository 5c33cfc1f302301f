"""Texts: the set of their runs of four letters, case and punctuation aside.

Likeness is the Jaccard index of two such sets (Broder, On the resemblance and containment of documents, 1997): what
they share by what either has. One word changed of a sentence of twenty leaves about 0.9, of seven about 0.7.
"""

import re
from collections.abc import Sequence

import numpy as np

from tasks.modalities import Arrays
from tasks.objectives import Array

READS_TEXT = True
LETTERS = 4
PERMUTATIONS = 128
MISSED_WEIGH = 0.9
"""How much a missed pair counts against one compared in vain, when MinHash's bands are chosen."""
STRICTEST = 0.99
"""Of a likeness of 1 the library knows no bands; these find its pairs too."""


def mark(prepared: Arrays, text: str | None) -> Array:
    """Return uint32 [L], sorted: the hashes of the runs of letters."""
    plain = " ".join(re.findall(r"\w+", (text or "").casefold())) or (text or "").strip()
    letters = np.frombuffer(plain.ljust(LETTERS).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    runs = np.lib.stride_tricks.sliding_window_view(letters, LETTERS)
    hashed = np.zeros(len(runs), np.uint64)
    for position in range(LETTERS):
        hashed = (hashed + runs[:, position]) * np.uint64(0x9E3779B97F4A7C15)  # Knuth's multiplicative hash
        hashed ^= hashed >> np.uint64(29)
    return np.unique((hashed >> np.uint64(32)).astype(np.uint32))


def keys(marks: Sequence[Array], likeness: float) -> Array:
    """Return the bands of the MinHash of each set, as many and as wide as find pairs of that likeness."""
    from datasketch import MinHash, MinHashLSH

    threshold = min(likeness, STRICTEST)
    bands = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS, weights=(1 - MISSED_WEIGH, MISSED_WEIGH))
    found = np.empty((len(marks), bands.b), np.uint64)
    for row, one in enumerate(marks):
        hashed = MinHash(num_perm=PERMUTATIONS, hashfunc=int)
        hashed.update_batch(one)
        values = hashed.hashvalues[: bands.b * bands.r].astype(np.uint64).reshape(bands.b, bands.r)
        found[row] = _folded(values)
    return found


def _folded(values: Array) -> Array:
    """Return one number uint64 [B] for each row of uint64 [B, R]."""
    folded = np.zeros(len(values), np.uint64)
    for column in values.T:
        folded = (folded ^ column) * np.uint64(0x100000001B3)  # FNV-1a, on whole words
        folded ^= folded >> np.uint64(32)
    return folded


def alike(marks: Sequence[Array], first: Array, second: Array) -> Array:
    """Return the Jaccard index of each pair."""
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    return np.fromiter((_jaccard(marks[one], marks[other]) for one, other in pairs), np.float32, len(first))


def _jaccard(one: Array, other: Array) -> float:
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)
