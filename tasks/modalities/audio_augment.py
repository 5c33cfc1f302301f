"""Random changes of a batch of log-mel spectrograms or of waves, each by its own draws from one generator."""

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
        masked |= _stretches(torch.full((count, 1), frames), frames, longest, generator)[:, None, :]
    for _ in range(settings.frequency_masks):
        widest = settings.frequency_mask_bands
        masked |= _stretches(torch.full((count, 1), bands), bands, widest, generator)[:, :, None]
    return mels.where(~masked.to(mels.device), mels.mean((1, 2), keepdim=True))


def augment_waves(
    waves: Tensor, heard: Tensor, settings: AudioAugment, rate: int, generator: torch.Generator
) -> Tensor:
    """Return changed waves [B, S], of which `heard` int64 [B, S] tells what is sound and what comes after the end.

    Moved in time, with noise, and silent in the masked stretches; nothing is masked by frequency.
    """
    count, size = waves.shape
    ends = heard.sum(1, keepdim=True).cpu()
    most, places = round(settings.shift_seconds * rate), torch.arange(size)
    sources = places - torch.randint(-most, most + 1, (count, 1), generator=generator)
    kept = (sources >= 0) & (sources < ends)
    waves = waves.gather(1, sources.clamp(0, size - 1).to(waves.device))
    if settings.noise:
        waves = waves * kept.to(waves) + settings.noise * torch.randn(waves.shape, generator=generator).to(waves)
        kept = torch.ones_like(kept)
    for _ in range(settings.time_masks):
        kept &= ~_stretches(ends, size, round(settings.time_mask_seconds * rate), generator)
    return waves * (kept & (places < ends)).to(waves)


def _moved(mels: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Move each spectrogram by up to `most` frames either way; its lowest value, its silence, comes in."""
    count, bands, frames = mels.shape
    shifts = torch.randint(-most, most + 1, (count, 1), generator=generator)
    sources = (torch.arange(frames) - shifts).to(mels.device)
    inside = ((sources >= 0) & (sources < frames))[:, None]
    moved = mels.gather(2, sources.clamp(0, frames - 1)[:, None].expand(count, bands, frames))
    return moved.where(inside, mels.amin((1, 2), keepdim=True))


def _stretches(ends: Tensor, size: int, most: int, generator: torch.Generator) -> Tensor:
    """Return bool [B, size]: in each row one stretch of 0 to `most` places, anywhere before its end, is true.

    `ends`: int64 [B, 1].
    """
    widths = (torch.rand(len(ends), 1, generator=generator) * (ends.clamp(max=most) + 1)).floor()
    starts = (torch.rand(len(ends), 1, generator=generator) * (ends - widths + 1)).floor()
    places = torch.arange(size)
    return (places >= starts) & (places < starts + widths)
