"""Random changes of a batch of pictures, each by its own draws from one generator.

They work on the normalised batch, so that loading is the same for training and prediction. Mirroring, turning
and shifting move whole pixels; only scale and shear interpolate. What comes in over an edge is the picture
mirrored there: no border is invented that a network could learn.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from tasks.schema import ImageAugment

LUMA = (0.299, 0.587, 0.114)  # Rec. ITU-R BT.601, as Pillow's grey


def augment(
    pictures: Tensor, settings: ImageAugment, scale: Tensor, shift: Tensor, generator: torch.Generator
) -> Tensor:
    """Return changed pictures [B, 3, H, W], channels_last; value = scale * byte + shift in each channel."""
    pictures = _placed(pictures, settings, generator)
    if settings.scale or settings.shear_degrees:
        pictures = _warped(pictures, settings, generator)
    if settings.brightness or settings.contrast or settings.saturation:
        black, white = shift.flatten().to(pictures), (scale * 255 + shift).flatten().to(pictures)
        pictures = _tinted(pictures, settings, black, white, generator)
    return pictures


def variants(count: int, settings: ImageAugment, generator: torch.Generator) -> Tensor | None:
    """Return int64 [count], which of the square's eight symmetries `augment` draws for each picture; 0: as it is.

    Null where something else is changed, too. `generator` must be as it is given to `augment`.
    """
    inexact = (settings.shift, settings.scale, settings.shear_degrees, settings.brightness, settings.contrast)
    if any(inexact) or settings.saturation or settings.mix_up:
        return None
    transposed, upside_down, mirrored = _orientations(count, settings, generator)
    return transposed + 2 * upside_down + 4 * mirrored


def _placed(pictures: Tensor, settings: ImageAugment, generator: torch.Generator) -> Tensor:
    """Mirror, turn by quarters and shift by whole pixels: every output pixel is one of the input's."""
    count, _, height, width = pictures.shape
    transposed, upside_down, mirrored = _orientations(count, settings, generator)
    rows = _line(height, upside_down, _spread(settings.shift, count, generator)).to(pictures.device)
    columns = _line(width, mirrored, _spread(settings.shift, count, generator)).to(pictures.device)
    pixels = pictures.permute(0, 2, 3, 1)  # (B, H, W, 3): a pixel's channels lie side by side
    placed = [
        (picture.transpose(0, 1) if sideways else picture).index_select(0, row).index_select(1, column)
        for picture, sideways, row, column in zip(pixels, transposed.tolist(), rows, columns, strict=True)
    ]
    return torch.stack(placed).permute(0, 3, 1, 2)


def _orientations(count: int, settings: ImageAugment, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Draw which pictures are transposed, then turned upside down, then mirrored: bool [count] each."""
    turns = torch.randint(4 if settings.quarter_turns else 1, (count,), generator=generator)
    upside_down = _coins(settings.flip_vertical, count, generator) ^ ((turns == 1) | (turns == 2))
    mirrored = _coins(settings.flip_horizontal, count, generator) ^ ((turns == 2) | (turns == 3))
    return turns % 2 == 1, upside_down, mirrored


def _line(length: int, reverse: Tensor, shift: Tensor) -> Tensor:
    """Return int64 [B, length], which line of the input each line of the output is.

    `shift` [B] is in lengths; beyond the edges the lines are counted back.
    """
    last = length - 1
    lines = torch.arange(length) + (shift * length).round().long()[:, None]
    lines = (last - (last - lines.abs()).abs()).clamp(0, last)
    return torch.where(reverse[:, None], last - lines, lines)


def _warped(pictures: Tensor, settings: ImageAugment, generator: torch.Generator) -> Tensor:
    """Zoom by a factor from 1 / (1 + scale) to 1 + scale and slant sideways about the middle; bilinear."""
    count = len(pictures)
    zoom = (1 + settings.scale) ** -_spread(1.0, count, generator)
    slant = torch.tan(_spread(math.radians(settings.shear_degrees), count, generator))
    matrices = torch.zeros(count, 2, 3)  # from output to input positions, both -1..1
    matrices[:, 0, 0] = matrices[:, 1, 1] = zoom
    matrices[:, 0, 1] = zoom * slant
    grid = affine_grid(matrices.to(pictures), list(pictures.shape), align_corners=False)
    warped = grid_sample(pictures, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return warped.contiguous(memory_format=torch.channels_last)


def _tinted(
    pictures: Tensor, settings: ImageAugment, black: Tensor, white: Tensor, generator: torch.Generator
) -> Tensor:
    """Brightness, contrast about the mean grey, saturation, as in Pillow's ImageEnhance, in one matrix."""
    count, channels, height, width = pictures.shape
    pixels = pictures.permute(0, 2, 3, 1).reshape(count, height * width, channels)
    matrix, offset = _colour_matrix(pixels.mean(1), settings, black, white - black, generator)
    tinted = torch.baddbmm(offset[:, None], pixels, matrix)
    rows = tinted.view(count, height, width * channels)  # long rows are clamped faster than short pixels
    rows.clamp_(black.repeat(width), white.repeat(width))
    return tinted.view(count, height, width, channels).permute(0, 3, 1, 2)


def _colour_matrix(
    mean: Tensor, settings: ImageAugment, black: Tensor, reach: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return matrices [B, 3, 3] and offsets [B, 3]: new pixel = pixel @ matrix + offset.

    `mean` [B, 3] is each picture's mean pixel; `black` and `reach` (to white) [3] have the same unit.
    """
    luma = mean.new_tensor(LUMA)
    amounts = (settings.brightness, settings.contrast, settings.saturation)
    bright, contrast, colour = (1 + _spread(most, len(mean), generator).to(mean) for most in amounts)
    gain = (bright * contrast)[:, None, None]
    mixed = colour[:, None, None] * torch.eye(3).to(mean) + (1 - colour)[:, None, None] * luma[:, None]
    matrix = gain * mixed * reach / reach[:, None]
    mean_grey = ((mean - black) / reach) @ luma
    lift = ((1 - contrast) * bright * mean_grey)[:, None] * reach
    return matrix, black - black @ matrix + lift


def _coins(chance: float, count: int, generator: torch.Generator) -> Tensor:
    """Return bool [count], each true with this chance."""
    return torch.rand(count, generator=generator) < chance


def _spread(most: float, count: int, generator: torch.Generator) -> Tensor:
    """Return float32 [count], each uniform between -most and most."""
    return (torch.rand(count, generator=generator) * 2 - 1) * most
