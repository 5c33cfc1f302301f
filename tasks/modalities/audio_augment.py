"""Random changes of a batch of log-mel spectrograms, each by its own draws from one generator."""

import torch
from torch import Tensor

from tasks.schema import AudioAugment


def augment(mels: Tensor, settings: AudioAugment, frames_a_second: float, generator: torch.Generator) -> Tensor:
    """Return changed log-mels [B, bands, frames]: moved in time, with noise, and masked last.

    Masks hold the spectrogram's mean, as in SpecAugment (doi:10.21437/Interspeech.2019-2680, section 2).
    """
    mels = _moved(mels, round(settings.shift_seconds * frames_a_second), generator)
    if settings.noise:
        mels = mels + settings.noise * torch.randn(mels.shape, generator=generator).to(mels)
    count, bands, frames = mels.shape
    masked = torch.zeros(mels.shape, dtype=torch.bool)
    for _ in range(settings.time_masks):
        longest = round(settings.time_mask_seconds * frames_a_second)
        masked |= _stretches(count, frames, longest, generator)[:, None, :]
    for _ in range(settings.frequency_masks):
        masked |= _stretches(count, bands, settings.frequency_mask_bands, generator)[:, :, None]
    return mels.where(~masked.to(mels.device), mels.mean((1, 2), keepdim=True))


def _moved(mels: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Move each spectrogram by up to `most` frames either way; its lowest value, its silence, comes in."""
    count, bands, frames = mels.shape
    shifts = torch.randint(-most, most + 1, (count, 1), generator=generator)
    sources = (torch.arange(frames) - shifts).to(mels.device)
    inside = ((sources >= 0) & (sources < frames))[:, None]
    moved = mels.gather(2, sources.clamp(0, frames - 1)[:, None].expand(count, bands, frames))
    return moved.where(inside, mels.amin((1, 2), keepdim=True))


def _stretches(count: int, length: int, most: int, generator: torch.Generator) -> Tensor:
    """Return bool [count, length]: in each row one stretch of 0 to `most` places, anywhere, is true."""
    widths = (torch.rand(count, 1, generator=generator) * (min(most, length) + 1)).floor()
    starts = (torch.rand(count, 1, generator=generator) * (length - widths + 1)).floor()
    places = torch.arange(length)
    return (places >= starts) & (places < starts + widths)
