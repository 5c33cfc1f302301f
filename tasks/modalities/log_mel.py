"""The log-mel spectrogram of transformers' WhisperFeatureExtractor (arXiv:2212.04356, section 2.2).

Its numbers come from the backbone's preprocessor_config.json.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchaudio.transforms import MelSpectrogram

from tasks.modalities import Arrays, Batch, audio_augment
from tasks.modalities.directory import PROCESSOR, declared, read
from tasks.schema import AudioAugment

ARRAY = "mel"
HIGHEST_HERTZ = 8000.0
"""The top of Whisper's mel scale, whatever the rate."""
Floats = np.ndarray[Any, np.dtype[np.float32]]


class Hearing(NamedTuple):
    """How a backbone hears: samples a second, mel bands, samples per frame and per Fourier window."""

    rate: int
    bands: int
    hop: int
    window: int


@cache
def hearing(backbone: Path) -> Hearing:
    """Read how the backbone in this directory hears."""
    keys = ("sampling_rate", "feature_size", "hop_length", "n_fft")
    return Hearing(*declared(read(backbone, PROCESSOR), backbone, PROCESSOR, *keys))


def prepare(sounds: Sequence[Floats], seconds: int, backbone: Path) -> list[Floats]:
    """Return the log-mel spectrogram float32 [bands, frames] of each sound, silence after its end."""
    hears = hearing(backbone)
    windows = np.zeros((len(sounds), seconds * hears.rate), np.float32)
    for window, sound in zip(windows, sounds, strict=True):
        window[: len(sound)] = sound
    return list(log_mel(torch.from_numpy(windows), hears).numpy())


def log_mel(windows: Tensor, hears: Hearing) -> Tensor:
    """Return float32 [B, bands, frames] of windows float32 [B, S].

    log10 of the power, nothing lower than 8 decades below the window's peak, brought to about -1..1. The last
    frame lies beyond the window and is dropped.
    """
    power = _spectrogram(hears)(windows)[..., :-1]
    decades = power.clamp(min=1e-10).log10()
    decades = torch.maximum(decades, decades.amax((-2, -1), keepdim=True) - 8)
    return torch.as_tensor((decades + 4) / 4)


@cache
def _spectrogram(hears: Hearing) -> MelSpectrogram:
    """Return the transform to power on Slaney's mel scale: Hann window, frames centred, ends mirrored."""
    return MelSpectrogram(
        sample_rate=hears.rate,
        n_fft=hears.window,
        hop_length=hears.hop,
        n_mels=hears.bands,
        f_min=0.0,
        f_max=HIGHEST_HERTZ,
        norm="slaney",
        mel_scale="slaney",
    )


def collate(arrays: Sequence[Floats], backbone: Path) -> Batch:
    """Return `input_features` float32 [B, bands, frames]."""
    return {"input_features": torch.from_numpy(np.stack(arrays))}


def augment(batch: Batch, settings: AudioAugment, backbone: Path, generator: torch.Generator) -> Batch:
    """Move, mask and roughen each spectrogram at random; see audio_augment."""
    frames_a_second = hearing(backbone).rate / hearing(backbone).hop
    changed = audio_augment.augment(batch["input_features"], settings, frames_a_second, generator)
    return {**batch, "input_features": changed}


def spectrum(array: Floats) -> Floats:
    """Return the array itself."""
    return array


def cost(samples: Sequence[Arrays]) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return int64 [N] of ones: all windows are equally long."""
    return np.ones(len(samples), dtype=np.int64)


def extractor(seconds: int) -> dict[str, Any]:
    """Return the length of the window; lengths in samples and frames follow from it."""
    return {"chunk_length": seconds}
