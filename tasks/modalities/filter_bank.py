"""The log-mel filter bank of transformers' ASTFeatureExtractor: Kaldi's, for AST (arXiv:2104.01778)."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torchaudio.compliance import kaldi

from tasks.modalities import Arrays, Batch, audio_augment
from tasks.modalities.directory import PROCESSOR, declared, read
from tasks.schema import AudioAugment

ARRAY = "filter_bank"
FRAMES_A_SECOND = 100
"""Kaldi's frames begin 10 ms after one another."""
FRAME_SECONDS = 0.025
Floats = np.ndarray[Any, np.dtype[np.float32]]


class Bank(NamedTuple):
    """How a backbone hears: samples a second, mel bands, and the mean and deviation of its training's values."""

    rate: int
    bands: int
    mean: float
    deviation: float


@cache
def bank(backbone: Path) -> Bank:
    """Read how the backbone in this directory hears."""
    told = read(backbone, PROCESSOR)
    rate, bands, normalised = declared(told, backbone, PROCESSOR, "sampling_rate", "num_mel_bins", "do_normalize")
    mean, deviation = declared(told, backbone, PROCESSOR, "mean", "std") if normalised else (0.0, 0.5)
    return Bank(rate, bands, mean, deviation)


def prepare(sounds: Sequence[Floats], seconds: int, backbone: Path) -> list[Floats]:
    """Return the filter bank float32 [frames, bands] of each sound; frames after its end are zero, then normalised.

    AST's authors divide by two deviations.
    """
    hears = bank(backbone)
    return [_filtered(torch.from_numpy(sound), seconds * FRAMES_A_SECOND, hears).numpy() for sound in sounds]


def _filtered(sound: Tensor, frames: int, hears: Bank) -> Tensor:
    """Return [frames, bands]; a sound that fills no frame ends in silence."""
    sound = functional.pad(sound, (0, max(0, round(FRAME_SECONDS * hears.rate) - len(sound))))
    filtered = kaldi.fbank(
        sound[None], sample_frequency=hears.rate, window_type="hanning", num_mel_bins=hears.bands
    )[:frames]  # fmt: skip
    whole = functional.pad(filtered, (0, 0, 0, frames - len(filtered)))
    return torch.as_tensor((whole - hears.mean) / (2 * hears.deviation))


def collate(arrays: Sequence[Floats], backbone: Path) -> Batch:
    """Return `input_values` float32 [B, frames, bands]."""
    return {"input_values": torch.from_numpy(np.stack(arrays))}


def augment(batch: Batch, settings: AudioAugment, backbone: Path, generator: torch.Generator) -> Batch:
    """Move, mask and roughen each filter bank at random; see audio_augment."""
    banks = batch["input_values"].transpose(1, 2)
    changed = audio_augment.augment(banks, settings, FRAMES_A_SECOND, generator)
    return {**batch, "input_values": changed.transpose(1, 2).contiguous()}


def spectrum(array: Floats) -> Floats:
    """Return [bands, frames]; the frames after the sound's end, all bands alike, are as soft as its softest."""
    ended = np.ptp(array, axis=1) == 0
    return np.where(ended[:, None], array.min(), array).T


def cost(samples: Sequence[Arrays]) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return int64 [N] of ones: all windows are equally long."""
    return np.ones(len(samples), dtype=np.int64)


def extractor(seconds: int) -> dict[str, Any]:
    """Return how many frames it cuts or pads to."""
    return {"max_length": seconds * FRAMES_A_SECOND}
