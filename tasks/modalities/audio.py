"""Recordings: mono, at the backbone's rate, the first `window_seconds` of them as the backbone hears; see hearing."""

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
from tasks.modalities import Arrays, Batch, hearing
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
    return Recording(_resampled(kept, rate, hearing.rate(backbone)), len(sound) / rate)


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
    """Return what the backbone hears of each, float32 by the name of hearing, and `cut` bool []: by the window."""
    hears, most = hearing.of(backbone), settings.window_seconds * hearing.rate(backbone)
    sounds = [recording.samples[:most] for recording in decoded]
    return [
        {hears.ARRAY: heard, "cut": np.array(recording.seconds > settings.window_seconds)}
        for heard, recording in zip(hears.prepare(sounds, settings.window_seconds, backbone), decoded, strict=True)
    ]


def facts(prepared: Sequence[Arrays]) -> dict[str, int]:
    """Count the recordings that were longer than the window."""
    return {"cut": sum(int(sample["cut"]) for sample in prepared)}


def collate(samples: Sequence[Arrays], backbone: Path) -> Batch:
    """Return what the network takes: input_features, or input_values, with a mask where lengths differ."""
    hears = hearing.of(backbone)
    return hears.collate([sample[hears.ARRAY] for sample in samples], backbone)


def augment(batch: Batch, settings: AudioAugment, backbone: Path, generator: torch.Generator) -> Batch:
    """Change each recording at random, in a way that what is heard allows."""
    return hearing.of(backbone).augment(batch, settings, backbone, generator)


def lengths(samples: Sequence[Arrays]) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return int64 [N]: ones where all windows are equally long."""
    return hearing.of_sample(samples[0]).cost(samples)
