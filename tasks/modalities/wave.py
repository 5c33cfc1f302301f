"""Raw waves, each as long as it is, as transformers' Wav2Vec2FeatureExtractor gives them to its networks.

These are Wav2Vec2 (arXiv:2006.11477) and HuBERT (arXiv:2106.07447).
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tasks.errors import ConfigError
from tasks.modalities import Arrays, Batch, audio_augment, log_mel
from tasks.modalities.directory import CONFIG, PROCESSOR, declared, read
from tasks.schema import AudioAugment

ARRAY = "wave"
AS_WHISPER = log_mel.Hearing(rate=16000, bands=80, hop=160, window=400)
Floats = np.ndarray[Any, np.dtype[np.float32]]


def prepare(sounds: Sequence[Floats], seconds: int, backbone: Path) -> list[Floats]:
    """Return each sound float32 [S], of zero mean and unit variance where the backbone wants it.

    One that is shorter than what the network's first frame sees ends in silence.
    """
    (normalised,) = declared(read(backbone, PROCESSOR), backbone, PROCESSOR, "do_normalize")
    heard = [_normalised(sound) if normalised else sound for sound in sounds]
    return [np.pad(sound, (0, max(0, first_frame(backbone) - len(sound)))) for sound in heard]


def _normalised(sound: Floats) -> Floats:
    return np.asarray((sound - sound.mean()) / np.sqrt(sound.var() + 1e-7), np.float32)


@cache
def first_frame(backbone: Path) -> int:
    """Return how many samples the convolutions need for one frame."""
    seen = 1
    kernels, strides = declared(read(backbone, CONFIG), backbone, CONFIG, "conv_kernel", "conv_stride")
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        seen = (seen - 1) * stride + kernel
    return int(seen)


def collate(arrays: Sequence[Floats], backbone: Path) -> Batch:
    """Return `input_values` float32 [B, S], zeros after the end of each, and `attention_mask` int64 [B, S]."""
    lengths = np.array([len(array) for array in arrays])
    heard = np.arange(lengths.max()) < lengths[:, None]
    values = np.zeros(heard.shape, np.float32)
    values[heard] = np.concatenate(arrays)
    return {"input_values": torch.from_numpy(values), "attention_mask": torch.from_numpy(heard.astype(np.int64))}


def augment(batch: Batch, settings: AudioAugment, backbone: Path, generator: torch.Generator) -> Batch:
    """Move each wave in time, add noise, silence stretches of it; ConfigError for masks of frequencies."""
    if settings.frequency_masks:
        raise ConfigError(
            f"augment.frequency_masks: {settings.frequency_masks}, but the backbone hears raw waves, which have no "
            "bands to mask; set it to 0"
        )
    (rate,) = declared(read(backbone, PROCESSOR), backbone, PROCESSOR, "sampling_rate")
    changed = audio_augment.augment_waves(batch["input_values"], batch["attention_mask"], settings, rate, generator)
    return {**batch, "input_values": changed}


def spectrum(array: Floats) -> Floats:
    """Return the log-mel [bands, frames] as Whisper would hear the wave."""
    return np.asarray(log_mel.log_mel(torch.from_numpy(array)[None], AS_WHISPER)[0].numpy())


def cost(samples: Sequence[Arrays]) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return int64 [N], the length of each wave."""
    return np.array([len(sample[ARRAY]) for sample in samples], dtype=np.int64)


def extractor(seconds: int) -> dict[str, Any]:
    """Return nothing: it neither cuts nor pads, and a shorter wave is heard as it is."""
    return {}
