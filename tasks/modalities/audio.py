"""Recordings: mono, at the backbone's rate, as the log-mel spectrogram of their first `window_seconds`.

It is the spectrogram of transformers' WhisperFeatureExtractor with chunk_length = window_seconds.
"""

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import torch
from torchaudio.transforms import Resample

from tasks.errors import BadSample
from tasks.modalities import Arrays, Batch
from tasks.modalities.log_mel import hearing, log_mel
from tasks.schema import AudioAugment, AudioPreprocess

Wave = np.ndarray[Any, np.dtype[np.float32]]

CHUNK = 16  # the Fourier transform of a window of 30 s takes 5 MB, and there are copies
MARGIN_SECONDS = 0.1
"""What the resampling filter may see beyond the window; it reaches 6 periods of the lower of two rates."""
KERNEL_LIMIT = 2**24
"""Filter coefficients (in float32 64 MiB) that resampling may take. All usual rates stay far below. From
44,101 to 16,000 Hz it would be 2.8 GB, and a header that says so is broken more often than meant."""


class Recording(NamedTuple):
    """Samples float32 [S], mono, at the backbone's rate, little more than the window; full length in s."""

    samples: Wave
    seconds: float


def decode(content: bytes | str, settings: AudioPreprocess, backbone: Path) -> Recording:
    """Read any format libsndfile knows (WAV, FLAC, OGG, MP3, AIFF ...); several channels become their mean.

    Raises BadSample for what is unreadable, empty, too long, NaN or infinite, or silent through the window.
    """
    if isinstance(content, str):
        raise BadSample("is a text, not the bytes of a sound file")
    sound, rate = _read(content, settings.duration_limit_seconds)
    if not len(sound):
        raise BadSample("holds no samples")
    if not np.isfinite(sound).all():
        raise BadSample("holds samples that are NaN or infinite")
    kept = sound[: int((settings.window_seconds + MARGIN_SECONDS) * rate)].mean(axis=1)
    if not kept[: settings.window_seconds * rate].any():
        raise BadSample(f"is silent: every sample of its first {settings.window_seconds} s is zero")
    return Recording(_resampled(kept, rate, hearing(backbone).rate), len(sound) / rate)


def _read(content: bytes, limit_seconds: float) -> tuple[Wave, int]:
    """Return the samples float32 [S, channels] and their rate.

    The header may lie about the length: it is checked first, and then no more than the limit is read.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate, most = file.samplerate, int(limit_seconds * file.samplerate)
            announced = file.frames
            sound = file.read(0 if announced > most else most + 1, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, ValueError, MemoryError) as error:
        raise BadSample(f"cannot be decoded: {' '.join(str(error).split())[:200]}") from None
    if max(announced, len(sound)) > most:
        raise BadSample(f"is longer than duration_limit_seconds, {limit_seconds:g} s")
    return sound, rate


def _resampled(sound: Wave, rate: int, wanted: int) -> Wave:
    """Return `sound` [S] at the wanted rate."""
    if rate == wanted:
        return sound
    step = np.gcd(rate, wanted)
    if (wanted // step) * (rate // step) > KERNEL_LIMIT:
        raise BadSample(f"has {rate} samples a second, which cannot be brought to {wanted}; convert it to {wanted}")
    return np.asarray(_resampler(rate, wanted)(torch.from_numpy(sound)).numpy())


@cache
def _resampler(rate: int, wanted: int) -> Resample:
    """Return torchaudio.functional.resample with its filter computed once."""
    return Resample(rate, wanted)


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
