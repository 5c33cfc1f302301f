"""Recordings: mono, at the backbone's rate, the first `window_seconds` of them as the backbone hears; see hearing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tasks.modalities import Arrays, Batch, hearing
from tasks.modalities.sound_files import Recording, decode
from tasks.schema import AudioAugment, AudioPreprocess

__all__ = ["CHUNK", "FLAGS", "augment", "collate", "decode", "lengths", "prepare", "takes", "variants"]
CHUNK = 16  # the Fourier transform of a window of 30 s takes 5 MB, and there are copies
FLAGS = ("cut",)


def takes(backbone: Path) -> dict[str, Any]:
    """Return how the backbone hears."""
    return hearing.told(backbone)


def prepare(decoded: Sequence[Recording], settings: AudioPreprocess, backbone: Path) -> list[Arrays]:
    """Return what the backbone hears of each, float32 by the name of hearing, and `cut` bool []: by the window."""
    hears, most = hearing.of(backbone), settings.window_seconds * hearing.rate(backbone)
    sounds = [recording.samples[:most] for recording in decoded]
    return [
        {hears.ARRAY: heard, "cut": np.array(recording.seconds > settings.window_seconds)}
        for heard, recording in zip(hears.prepare(sounds, settings.window_seconds, backbone), decoded, strict=True)
    ]


def collate(samples: Sequence[Arrays], backbone: Path) -> Batch:
    """Return what the network takes: input_features, or input_values, with a mask where lengths differ."""
    hears = hearing.of(backbone)
    return hears.collate([sample[hears.ARRAY] for sample in samples], backbone)


def augment(batch: Batch, settings: AudioAugment, backbone: Path, generator: torch.Generator) -> Batch:
    """Change each recording at random, in a way that what is heard allows."""
    return hearing.of(backbone).augment(batch, settings, backbone, generator)


def variants(count: int, settings: AudioAugment, generator: torch.Generator) -> torch.Tensor | None:
    """Return noughts int64 [count] where nothing is changed, else null."""
    masked = settings.time_masks or settings.frequency_masks
    changed = masked or settings.shift_seconds or settings.noise or settings.mix_up
    return None if changed else torch.zeros(count, dtype=torch.int64)


def lengths(samples: Sequence[Arrays]) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return int64 [N]: ones where all windows are equally long."""
    return hearing.of_sample(samples[0]).cost(samples)
