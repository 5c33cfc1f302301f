"""Samples that are nearly the same: pictures by a perceptual hash, texts by MinHash."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.progress import track

if TYPE_CHECKING:
    from PIL.Image import Image

BITS = 4
"""Pictures whose 64-bit hashes differ in at most so many bits are nearly the same."""
LIKENESS = 0.9
"""Texts that share this part of their runs of `RUN` words are nearly the same."""
RUN = 3
PERMUTATIONS = 64


def fingerprint(picture: "Image") -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """Return a picture's perceptual hash, bool [64]."""
    import imagehash

    return np.asarray(imagehash.phash(picture).hash).reshape(-1)


def pictures(names: Sequence[str], marks: Sequence["np.ndarray[Any, Any]"]) -> list[tuple[str, str]]:
    """Return pairs of names whose pictures' hashes nearly agree. Hashes of all but one tone tell nothing."""
    if len(marks) < 2:
        return []
    bits = np.stack(marks).astype(np.int32)
    telling = (bits.sum(axis=1) > BITS) & (bits.sum(axis=1) < bits.shape[1] - BITS)
    apart = bits @ (1 - bits).T
    near = np.triu(apart + apart.T <= BITS, k=1) & telling[:, None] & telling
    return [(names[first], names[second]) for first, second in np.argwhere(near)]


def texts(names: Sequence[str], contents: Sequence[str]) -> list[tuple[str, str]]:
    """Return pairs of names whose texts share nearly all their runs of words, each with the first of its like."""
    from datasketch import MinHash, MinHashLSH

    index, pairs = MinHashLSH(threshold=LIKENESS, num_perm=PERMUTATIONS), []
    both = zip(names, contents, strict=True)
    for number, (name, text) in enumerate(track(both, "comparing", len(names))):
        words = text.lower().split()
        if len(words) < RUN:
            continue
        mark = MinHash(num_perm=PERMUTATIONS)
        mark.update_batch([" ".join(words[place : place + RUN]).encode() for place in range(len(words) - RUN + 1)])
        known = index.query(mark)
        if known:  # of many that are alike the first stands for all, or each would be compared with each
            pairs.append((names[int(known[0])], name))
        else:
            index.insert(str(number), mark)
    return pairs
