"""Which of many samples are worth comparing: those that agree in one of several keys, not all with all.

Locality-sensitive hashing by samples of bits: Gionis, Indyk & Motwani, Similarity search in high dimensions via
hashing, VLDB 1999.
"""

import math
from collections.abc import Iterator

import numpy as np

from tasks.objectives import Array

NEIGHBOURS = 1000
"""With how many others of one key a sample is compared: so many look-alikes cost minutes, not days."""
AT_ONCE = 2**14
"""Pairs worth a call to compare them."""
SPARE = 4
"""Bits of a key beyond those that would give each sample a value of its own: samples resemble one another."""
SEED = 17
"""Which bits make up which key is drawn at random, but always alike."""


def keys_of_bits(bits: Array, keys: int) -> Array:
    """Return uint64 [N, keys], each of `width` of the K bits of bool [N, K].

    Two samples that differ in a share d of their bits agree in a key with probability (1 - d) ** width; the more
    samples, the wider. Bits are drawn the more often the better they tell the samples apart: what all have in common
    tells nothing.
    """
    width = min(math.ceil(math.log2(len(bits) + 1)) + SPARE, bits.shape[1], 64)
    generator = np.random.default_rng(SEED)
    ones = bits.mean(axis=0)
    telling = ones * (1 - ones) + 1e-9
    share = telling / telling.sum()
    chosen = np.stack([generator.choice(bits.shape[1], width, replace=False, p=share) for _ in range(keys)])
    places = np.left_shift(np.uint64(1), np.arange(width, dtype=np.uint64))
    return np.stack([bits[:, one] @ places for one in chosen], axis=1).astype(np.uint64)


def candidates(keys: Array) -> Iterator[tuple[Array, Array]]:
    """Yield pairs (int64 [P], int64 [P]) of rows of uint64 [N, B] that agree in a column, each pair once.

    Little more than `AT_ONCE` pairs or N at a time. Of more than `NEIGHBOURS` rows with one key, not all are paired.
    """
    waiting: list[tuple[Array, Array]] = []
    pairs = 0
    for one, other in _agreeing(keys):
        waiting.append((one, other))
        pairs += len(one)
        if pairs > AT_ONCE:
            yield _joined(waiting)
            waiting, pairs = [], 0
    if waiting:
        yield _joined(waiting)


def _joined(pairs: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    ones, others = zip(*pairs, strict=True)
    return np.concatenate(ones), np.concatenate(others)


def _agreeing(keys: Array) -> Iterator[tuple[Array, Array]]:
    """Yield the pairs of one column that are one step apart in its order, then two, and so on."""
    for number, column in enumerate(keys.T):
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        for step in range(1, min(NEIGHBOURS, len(ordered) - 1) + 1):
            alike = ordered[step:] == ordered[:-step]
            if not alike.any():
                break
            one, other = order[:-step][alike], order[step:][alike]
            fresh = ~(keys[one, :number] == keys[other, :number]).any(axis=1)
            yield one[fresh], other[fresh]
