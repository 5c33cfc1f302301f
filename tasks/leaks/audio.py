"""Recordings: their log-mel spectrogram on a coarse grid, without what is far below the loudest.

Candidates agree in bits that say where the energy rises from band to band and time to time (Haitsma & Kalker, A highly
robust audio fingerprinting system, ISMIR 2002). Likeness is the correlation of the two grids, moved against one another
by up to a fiftieth of the window, whichever fits best: loudness does not count, noise hardly. Different words of
one speaker reach 0.99; what is above 0.995 is one recording, re-encoded, cut, softer or with noise.
"""

from collections.abc import Sequence

import numpy as np

from tasks.leaks.banding import keys_of_bits
from tasks.leaks.correlation import correlation, taken
from tasks.modalities import Arrays, hearing
from tasks.objectives import Array

READS_TEXT = False
BANDS, CELLS = 20, 50
DEPTH = 0.75
"""Three decades of power, as the log-mel counts them: what is softer may be noise, and one copy's alone."""
KEYS = 64
NEAR = 0.8
"""What a copy moved by a cell reaches unmoved at the least; what is further away is not moved."""


def mark(prepared: Arrays, text: str | None) -> Array:
    """Return uint8 [BANDS * CELLS] of what the backbone hears; 255 is the loudest."""
    heard = hearing.of_sample(prepared)
    mel = heard.spectrum(prepared[heard.ARRAY])
    loud = np.maximum(mel - mel.max(), -DEPTH) / DEPTH + 1
    return np.round(_coarse(_coarse(loud, BANDS).T, CELLS).T * 255).astype(np.uint8).ravel()


def _coarse(values: Array, parts: int) -> Array:
    """Return the means [parts, ...] of as many parts of the first axis; a shorter one is repeated."""
    if len(values) < parts:
        values = np.repeat(values, -(-parts // len(values)), axis=0)
    edges = np.linspace(0, len(values), parts + 1).astype(int)
    return np.asarray(np.add.reduceat(values, edges[:-1], axis=0) / np.diff(edges)[:, None])


def keys(marks: Sequence[Array], likeness: float) -> Array:
    """Return keys of the bits that a louder copy, or one a little later, has too.

    A bit says whether the energy rises more than it does in half of the recordings: what they have in common, such
    as the silence at their end, would tell none from another.
    """
    grids = np.stack(list(marks)).reshape(-1, BANDS // 2, 2, CELLS // 5, 5).astype(np.float32).mean(axis=(2, 4))
    slopes = np.diff(grids, axis=1)
    rises = np.concatenate([part.reshape(len(grids), -1) for part in (slopes, np.diff(slopes, axis=2))], axis=1)
    return keys_of_bits(rises > np.median(rises, axis=0), KEYS)


def alike(marks: Sequence[Array], first: Array, second: Array) -> Array:
    """Return the best correlation of each pair, one moved by a cell to either side or not at all."""
    one, other = (taken(marks, rows).reshape(-1, BANDS, CELLS) for rows in (first, second))
    found = correlation(one.reshape(len(one), -1), other.reshape(len(other), -1))
    near = np.flatnonzero(found >= NEAR)
    if len(near):
        for a, b in ((one[near, :, 1:], other[near, :, :-1]), (one[near, :, :-1], other[near, :, 1:])):
            found[near] = np.maximum(found[near], correlation(a.reshape(len(a), -1), b.reshape(len(b), -1)))
    return found
