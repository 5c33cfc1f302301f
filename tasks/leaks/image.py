"""Pictures: a thumbnail in colour.

Candidates agree in bits of its perceptual and difference hashes (imagehash: pHash, dHash), as it is or mirrored from
left to right, as augmented copies often are. Likeness is the correlation of the two thumbnails, or of one with the
other's mirror image: format, size, brightness and contrast do not count; colours do.
"""

from collections.abc import Sequence

import imagehash
import numpy as np
from PIL import Image

from tasks.leaks.banding import keys_of_bits
from tasks.leaks.correlation import correlation, taken
from tasks.modalities import Arrays
from tasks.objectives import Array

READS_TEXT = False
SIDE = 24
KEYS = 32


def mark(prepared: Arrays, text: str | None) -> Array:
    """Return uint8 [SIDE * SIDE * 3] of `pixels` uint8 [H, W, 3]."""
    small = Image.fromarray(prepared["pixels"]).resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(small).ravel()


def keys(marks: Sequence[Array], likeness: float) -> Array:
    """Return keys of the hashes of each picture as it is, then of each one's mirror image."""
    bits = [_bits(one.reshape(SIDE, SIDE, 3)[:, ::turn]) for turn in (1, -1) for one in marks]
    return keys_of_bits(np.stack(bits), KEYS)


def _bits(thumbnail: Array) -> Array:
    picture = Image.fromarray(thumbnail).convert("L")
    hashes = imagehash.phash(picture, hash_size=8, highfreq_factor=SIDE // 8), imagehash.dhash(picture, hash_size=8)
    return np.concatenate([one.hash.ravel() for one in hashes])


def alike(marks: Sequence[Array], first: Array, second: Array) -> Array:
    """Return the correlation of each pair, or of one with the other's mirror image, whichever is higher."""
    one, other = taken(marks, first), taken(marks, second)
    mirrored = other.reshape(-1, SIDE, SIDE, 3)[:, :, ::-1].reshape(len(other), -1)
    return np.maximum(correlation(one, other), correlation(one, mirrored))
