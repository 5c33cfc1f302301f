"""Images: decoded with suspicion, squashed to a square of uint8 RGB, normalised as the backbone was trained.

The whole picture is resized to `size` x `size` pixels by Pillow, antialiased, with the filter the backbone's
directory names (usually bicubic); nothing is cut away. `transformers.pipeline("image-classification", DIR)`
does exactly the same where the config.json of a TimmWrapper directory declares

    "pretrained_cfg": {"input_size": [3, size, size], "crop_mode": "squash", "crop_pct": 1.0,
                       "interpolation": "bicubic", "mean": [...], "std": [...]}

because timm then makes Resize((size, size)), a centre crop that cuts nothing, and Normalize.
"""

import io
import re
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tasks.errors import BackboneError, BadSample, ConfigError
from tasks.modalities import Arrays, Batch, Unpacked
from tasks.modalities.directory import CONFIG, PROCESSOR, declared, read
from tasks.signatures import signature

if TYPE_CHECKING:
    import torch

    from tasks.schema import ImageAugment, ImagePreprocess

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

CHUNK = 1  # a decoded photograph takes tens of megabytes, so each one shrinks before the next is opened
FLAGS = ("several",)
"""The file had more frames or pages than this, its first."""
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
"""What cameras, scanners and the web produce. Pillow reads fifty more: EPS by starting another program, most
by parsers that nobody attacks or tests as much as these. Of several frames or pages the first counts."""
warnings.filterwarnings("ignore", category=UserWarning, module="PIL")  # a bad sample is told once, as refused
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
UNBOUNDED = ("I", "F")
FILMS = ("GIF", "WEBP", "PNG", "TIFF")
"""Formats whose further frames or pages are pictures too; a JPEG's are previews and maps of depth."""
Image.MAX_IMAGE_PIXELS = None  # `pixel_limit` takes the place of Pillow's own limit, which may be lower


def takes(backbone: Path) -> dict[str, Any]:
    """Return the filter by which pictures are resized."""
    return {"resample": recipe(backbone).resample.name}


def decode(content: bytes | str, settings: "ImagePreprocess", backbone: Path) -> Image.Image:
    """Return the picture upright (by its EXIF orientation) as 8-bit RGB; its `info` says whether there are `several`.

    The format is told by the content, never by a file name, and the pixels are counted in the header, before
    any is decoded. Raises BadSample for another format, too many pixels, a single one, a wrong checksum, missing data.
    """
    if isinstance(content, str):
        raise BadSample("is a text, not the bytes of an image file", "name the files in a column of paths")
    try:
        with _opened(content, settings.pixel_limit) as image:
            if image.format == "PNG":  # Pillow skips the checksums when it decodes
                image.verify()
        with _opened(content, settings.pixel_limit) as image:
            several = image.format in FILMS and bool(getattr(image, "is_animated", False))
            image.seek(0)
            ImageOps.exif_transpose(image, in_place=True)
            picture = _rgb(image)
    except BadSample:
        raise
    except Exception as error:  # whatever Pillow's parsers trip over in broken bytes
        raise BadSample(f"cannot be decoded: {_said(error)}", "copy or download it again") from None
    picture.info = {"several": several}
    return picture


def _said(error: Exception) -> str:
    """Return what Pillow says, without the place in memory of what it was given."""
    return re.sub(r"<[^<>]* at 0x[0-9a-f]+>", "the file", " ".join(str(error).split()))[:200]


def _opened(content: bytes, pixel_limit: int) -> Image.Image:
    """Read the header."""
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        raise _unknown(content) from None
    width, height = image.size
    if width * height > pixel_limit:
        reason = f"has {width} x {height} pixels, more than the pixel_limit of {pixel_limit}"
        raise BadSample(reason, "make it smaller, or raise preprocess.pixel_limit")
    if width * height == 1:
        raise BadSample("is a single pixel, which stands for a picture at best", "put the picture itself in its place")
    return image


def _unknown(content: bytes) -> BadSample:
    """Say what it is instead of a picture."""
    found = signature(content)
    if found is None or found.name.split()[1] in FORMATS:
        reason, mend = f"is none of {', '.join(FORMATS)}, or its header is damaged", "save it again as PNG or JPEG"
        return BadSample(reason, mend)
    mend = "save it as PNG or JPEG" if found.kin == "picture" else found.mend
    return BadSample(f"is none of {', '.join(FORMATS)} but {found.name}", mend)


def _rgb(image: Image.Image) -> Image.Image:
    """Convert from any mode. What is transparent becomes white, as on paper and in a viewer.

    The colour stored under a transparent pixel is never seen, and often black or noise.
    """
    if image.mode in UNBOUNDED:
        reason = f"has pixels of mode {image.mode}, whose white is not defined"
        raise BadSample(reason, "save it with 8 or 16 bits a channel")
    if image.mode in SIXTEEN_BITS:
        # Pillow would cut every value above 255
        wide = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((wide * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


class Squashed(NamedTuple):
    """A picture that is as `prepare` leaves it: pixels uint8 [size, size, 3], and whether the file held more."""

    pixels: Pixels
    several: bool


def unpack(content: bytes, settings: "ImagePreprocess", backbone: Path) -> Unpacked:
    """Return the pixels of `prepare`: they travel from process to process faster than a photograph."""
    [sample] = prepare([decode(content, settings, backbone)], settings, backbone)
    return Unpacked(sample["pixels"], {"several": bool(sample["several"])})


def finish(unpacked: Unpacked, settings: "ImagePreprocess", backbone: Path) -> Squashed:
    """Return them as `prepare` takes them; it has nothing left to do."""
    return Squashed(unpacked.array, unpacked.facts["several"])


def prepare(decoded: Sequence[Image.Image | Squashed], settings: "ImagePreprocess", backbone: Path) -> list[Arrays]:
    """Return of each picture `pixels` uint8 [size, size, 3], its sides squashed to the same length.

    And `several` bool []: whether the file had more frames or pages than this, its first.
    """
    squashed = [
        image if isinstance(image, Squashed) else _squashed(image, settings.size, backbone) for image in decoded
    ]
    return [{"pixels": image.pixels, "several": np.array(image.several)} for image in squashed]


def _squashed(image: Image.Image, side: int, backbone: Path) -> Squashed:
    _check_size(side, backbone)
    pixels = np.asarray(image.resize((side, side), recipe(backbone).resample))
    return Squashed(pixels, bool(image.info.get("several")))


def collate(samples: Sequence[Arrays], backbone: Path) -> Batch:
    """Return `pixel_values` float32 [B, 3, H, W], channels_last: (pixels / 255 - mean) / deviation."""
    import torch

    scale, shift = recipe(backbone).affine()
    pixels = torch.from_numpy(np.stack([sample["pixels"] for sample in samples])).permute(0, 3, 1, 2)
    return {"pixel_values": (pixels * scale).add_(shift)}


def augment(batch: Batch, settings: "ImageAugment", backbone: Path, generator: "torch.Generator") -> Batch:
    """Turn, mirror, move, warp and tint each picture at random; see image_augment."""
    from tasks.modalities import image_augment

    scale, shift = recipe(backbone).affine()
    changed = image_augment.augment(batch["pixel_values"], settings, scale, shift, generator)
    return {**batch, "pixel_values": changed}


def variants(count: int, settings: "ImageAugment", generator: "torch.Generator") -> "torch.Tensor | None":
    """Tell which pictures are drawn mirrored or turned, if no more is done to them; see image_augment."""
    from tasks.modalities import image_augment

    return image_augment.variants(count, settings, generator)


def lengths(samples: Sequence[Arrays]) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return int64 [N] of ones: all pictures have the same size."""
    return np.ones(len(samples), dtype=np.int64)


CHANNELS = 3


class Recipe(NamedTuple):
    """How a backbone wants its pictures: mean and deviation per channel (of 0..1), and the resize filter."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    resample: Image.Resampling

    def affine(self) -> "tuple[torch.Tensor, torch.Tensor]":
        """Return scale and shift float32 [3, 1, 1], so that normalised = scale * byte + shift."""
        import torch

        mean, deviation = torch.tensor([self.mean, self.deviation], dtype=torch.float64).reshape(2, -1, 1, 1)
        return (1 / (255 * deviation)).float(), (-mean / deviation).float()


@cache
def recipe(backbone: Path) -> Recipe:
    """Read the recipe from timm's section of config.json, or else from preprocessor_config.json."""
    timm = read(backbone, CONFIG).get("pretrained_cfg")
    if timm is not None:
        mean, deviation, name = declared(timm, backbone, CONFIG, "mean", "std", "interpolation")
        return Recipe(tuple(mean), tuple(deviation), Image.Resampling[name.upper()])
    told = read(backbone, PROCESSOR)
    plain = {"image_mean": [0.0] * CHANNELS, "image_std": [1.0] * CHANNELS} if told.get("do_normalize") is False else {}
    keys = ("image_mean", "image_std", "resample")
    mean, deviation, number = declared({**told, **plain}, backbone, PROCESSOR, *keys)
    if not len(mean) == len(deviation) == CHANNELS:
        raise BackboneError(f"{backbone / PROCESSOR}: image_mean and image_std are not of red, green and blue")
    unit = _unit(told)
    return Recipe(
        tuple(value * unit for value in mean), tuple(value * unit for value in deviation), Image.Resampling(number)
    )


def _unit(told: dict[str, Any]) -> float:
    """Return what the backbone's 1 is, in parts of 255: 1, or 1/255 where it sees bytes as they are."""
    factor = told.get("rescale_factor") or 1 / 255
    return 1 / 255 if told.get("do_rescale") is False else 1 / (255 * factor)


@cache
def _check_size(size: int, backbone: Path) -> None:
    """Raise ConfigError where the backbone has learnt the places of a picture of another size."""
    told = read(backbone, CONFIG)
    timm = told.get("pretrained_cfg") or {}
    only = timm["input_size"][1:] if timm.get("fixed_input_size") else told.get("image_size")
    sides = [only, only] if isinstance(only, int) else only
    if sides is not None and list(sides) != [size, size]:
        raise ConfigError(
            f"preprocess.size: {size}, but the backbone reads pictures of {sides[0]} x {sides[1]} pixels only; "
            f"set it to {sides[0]}"
        )
