"""Recordings: mono, at the backbone's rate, as the log-mel spectrogram of their first `window_seconds`.

It is the spectrogram of transformers' WhisperFeatureExtractor with chunk_length = window_seconds.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tasks.modalities import Arrays, Batch
from tasks.modalities.log_mel import hearing, log_mel
from tasks.modalities.sound_files import Recording, decode
from tasks.schema import AudioAugment, AudioPreprocess

__all__ = ["CHUNK", "augment", "collate", "decode", "facts", "lengths", "prepare"]
CHUNK = 16  # the Fourier transform of a window of 30 s takes 5 MB, and there are copies


def prepare(decoded: Sequence[Recording], settings: AudioPreprocess, backbone: Path) -> list[Arrays]:
    """Return `mel` float32 [bands, frames] and `cut` bool [] of each: whether the window cut it."""
    hears = hearing(backbone)
    windows = np.zeros((len(decoded), settings.window_seconds * hears.rate), np.float32)
    for window, recording in zip(windows, decoded, strict=True):
        samples = recording.samples[: len(window)]
        window[: len(samples)] = samples
    mels = log_mel(torch.from_numpy(windows), hears).numpy()
    return [
        {"mel": mel, "cut": np.array(recording.seconds > settings.window_seconds)}
        for mel, recording in zip(mels, decoded, strict=True)
    ]


def facts(prepared: Sequence[Arrays]) -> dict[str, int]:
    """Count the recordings that were longer than the window."""
    return {"cut": sum(int(sample["cut"]) for sample in prepared)}


def collate(samples: Sequence[Arrays], backbone: Path) -> Batch:
    """Return `input_features` float32 [B, bands, frames]."""
    return {"input_features": torch.from_numpy(np.stack([sample["mel"] for sample in samples]))}


def augment(batch: Batch, settings: AudioAugment, backbone: Path, generator: torch.Generator) -> Batch:
    """Move, mask and roughen each spectrogram at random; see audio_augment."""
    from tasks.modalities import audio_augment

    frames_a_second = hearing(backbone).rate / hearing(backbone).hop
    changed = audio_augment.augment(batch["input_features"], settings, frames_a_second, generator)
    return {**batch, "input_features": changed}


def lengths(samples: Sequence[Arrays]) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return int64 [N] of ones: all windows are equally long."""
    return np.ones(len(samples), dtype=np.int64)
