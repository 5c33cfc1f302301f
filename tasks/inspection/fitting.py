"""What of `preprocess` follows from the samples' sizes: how many tokens or seconds of each are kept."""

from math import ceil

import numpy as np

from tasks.inspection.contents import Contents
from tasks.inspection.findings import Line
from tasks.inspection.recipes import Sections

TOKENS_MOST, TOKENS_STEP = 256, 32
WINDOW_MOST = 30


def _images(preprocess: Sections, contents: Contents) -> tuple[Sections, list[Line]]:
    told = f"squashed to {preprocess['size']} x {preprocess['size']} pixels; mirrored left to right while learning"
    return preprocess, [("pictures", f"{told}: if that changes a label, set augment.flip_horizontal to 0")]


def _texts(preprocess: Sections, contents: Contents) -> tuple[Sections, list[Line]]:
    """Keep as many tokens as most texts have."""
    if not len(contents.sizes):
        return preprocess, []
    wanted = TOKENS_STEP * ceil(float(np.quantile(contents.sizes, 0.95)) / TOKENS_STEP)
    tokens = min(wanted, max(TOKENS_MOST, preprocess["tokens"]))
    cut = int((contents.sizes > tokens).sum())
    told = f"the first {tokens} tokens" + _longer(cut, len(contents.sizes))
    return preprocess | {"tokens": tokens}, [("texts", told)]


def _recordings(preprocess: Sections, contents: Contents) -> tuple[Sections, list[Line]]:
    """Hear as long as most recordings last."""
    if not len(contents.sizes):
        return preprocess, []
    window = min(max(ceil(float(np.quantile(contents.sizes, 0.95))), 1), WINDOW_MOST)
    limit = max(float(preprocess["duration_limit_seconds"]), float(ceil(2 * contents.sizes.max())))
    cut = int((contents.sizes > window).sum())
    told = f"the first {window} s" + _longer(cut, len(contents.sizes))
    return preprocess | {"window_seconds": window, "duration_limit_seconds": limit}, [("recordings", told)]


def _longer(cut: int, looked: int) -> str:
    return f"; {cut:,} of {looked:,} looked at are longer and will be cut" if cut else "; none is longer"


FITTED = {"image": _images, "text": _texts, "audio": _recordings}
"""What of `preprocess` follows from the contents, by modality, and what to say of it."""
