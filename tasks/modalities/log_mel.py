"""The log-mel spectrogram of transformers' WhisperFeatureExtractor (arXiv:2212.04356, section 2.2).

Its numbers come from the backbone's preprocessor_config.json.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torchaudio.transforms import MelSpectrogram

from tasks.modalities.directory import declared, read

CONFIG = "preprocessor_config.json"
HIGHEST_HERTZ = 8000.0
"""The top of Whisper's mel scale, whatever the rate."""


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
    return Hearing(*declared(read(backbone, CONFIG), backbone, CONFIG, *keys))


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
