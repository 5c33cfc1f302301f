"""Pictures: what is accepted, what is refused and why, and what augmentation may do to them."""

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageFilter
from samples import encoded, image_backbone, picture

from tasks.errors import BackboneError, BadSample, ConfigError
from tasks.modalities import image
from tasks.neural import backbones
from tasks.schema import Config, ImageAugment, ImagePreprocess, NearDuplicates

TOLD = NearDuplicates(across_splits="report", likeness=1.0)
SETTINGS = ImagePreprocess(size=32, pixel_limit=10_000, shard=8, refused_share=0.0, near_duplicates=TOLD)
STILL = ImageAugment(
    flip_horizontal=0,
    flip_vertical=0,
    quarter_turns=False,
    shift=0,
    scale=0,
    shear_degrees=0,
    brightness=0,
    contrast=0,
    saturation=0,
    mix_up=0,
    test_flips=[],
)


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    return image_backbone(tmp_path / "backbone")


@pytest.fixture
def decode(backbone: Path) -> Callable[[bytes], "np.ndarray[Any, Any]"]:
    def pixels(content: bytes) -> "np.ndarray[Any, Any]":
        decoded = image.decode(content, SETTINGS, backbone)
        assert decoded.mode == "RGB"
        return np.asarray(decoded)

    return pixels


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_keep_every_pixel(decode: Any, form: str) -> None:
    assert np.array_equal(decode(encoded(picture(), form)), np.asarray(picture()))


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "GIF"])
def test_lossy_formats_keep_the_picture(decode: Any, form: str) -> None:
    difference = np.abs(decode(encoded(picture(), form)).astype(int) - np.asarray(picture()))
    assert difference.mean() < 8


def test_the_first_frame_of_several_counts(decode: Any) -> None:
    red, blue = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    film = encoded(red, "GIF", save_all=True, append_images=[blue])
    assert decode(film)[0, 0].tolist() == [255, 0, 0]


def test_other_formats_are_refused_whatever_their_name(decode: Any) -> None:
    for content in (encoded(picture(), "PPM"), b"%!PS-Adobe-3.0 EPSF-3.0\n", b"no image at all", b""):
        with pytest.raises(BadSample, match="is none of PNG, JPEG"):
            decode(content)


def test_a_text_is_no_image(backbone: Path) -> None:
    with pytest.raises(BadSample, match="is a text"):
        image.decode("picture.png", SETTINGS, backbone)


def test_pixels_are_counted_in_the_header(decode: Any) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [b"IHDR" + header, b"IDAT" + zlib.compress(b"")]
    framed = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    with pytest.raises(BadSample, match="60000 x 60000 pixels, more than the pixel_limit of 10000"):
        decode(b"\x89PNG\r\n\x1a\n" + b"".join(framed))
    assert decode(encoded(picture(100, 100), "PNG")).shape == (100, 100, 3)
    with pytest.raises(BadSample, match="pixel_limit"):
        decode(encoded(picture(101, 100), "PNG"))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_a_truncated_file_is_refused(decode: Any, form: str) -> None:
    content = encoded(picture(90, 90).filter(ImageFilter.FIND_EDGES), form)
    for part in (0.5, 0.9):
        with pytest.raises(BadSample):
            decode(content[: int(len(content) * part)])


def test_a_flipped_bit_in_a_png_is_refused(decode: Any) -> None:
    content = bytearray(encoded(picture(), "PNG"))
    content[-30] ^= 1  # in the checksums or data at the end, which decoding alone passes over
    with pytest.raises(BadSample, match="cannot be decoded"):
        decode(bytes(content))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_picture_upright(decode: Any, orientation: int) -> None:
    upright = picture(20, 10)
    undo = [None, 0, 3, 1, 5, 2, 6, 4][orientation - 1]
    stored = upright if undo is None else upright.transpose(Image.Transpose(undo))
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(decode(encoded(stored, "PNG", exif=exif)), np.asarray(upright))


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(decode: Any, form: str) -> None:
    grey = np.array([[0, 128, 256, 25_700, 32_896, 65_535]], np.uint16)
    pixels = decode(encoded(Image.fromarray(grey), form))
    assert pixels[0, :, 0].tolist() == [0, 0, 1, 100, 128, 255]
    assert (pixels[..., 0] == pixels[..., 2]).all()


def test_pixels_without_a_defined_white_are_refused(decode: Any) -> None:
    for kind in (np.int32, np.float32):
        with pytest.raises(BadSample, match="white is not defined"):
            decode(encoded(Image.fromarray(np.ones((4, 4), kind)), "TIFF"))


def test_every_colour_mode_becomes_rgb(decode: Any) -> None:
    grey = Image.new("L", (3, 2), 77)
    assert decode(encoded(grey, "PNG"))[0, 0].tolist() == [77, 77, 77]
    assert decode(encoded(grey.convert("1"), "PNG")).shape == (2, 3, 3)
    assert decode(encoded(Image.new("P", (3, 2)), "PNG"))[0, 0].tolist() == [0, 0, 0]
    assert decode(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"))[0, 0].tolist() == [255, 0, 0]


def test_what_is_transparent_becomes_white(decode: Any) -> None:
    clear, half = Image.new("RGBA", (2, 2), (0, 0, 0, 0)), Image.new("LA", (2, 2), (0, 128))
    assert (decode(encoded(clear, "PNG")) == 255).all()
    assert np.allclose(decode(encoded(half, "PNG")), 127, atol=1)
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([9, 9, 9])
    assert (decode(encoded(palette, "PNG", transparency=0)) == 255).all()


@pytest.mark.parametrize(("width", "height"), [(1, 2), (1, 90), (90, 1), (50, 20)])
def test_the_whole_picture_is_squashed_into_the_square(backbone: Path, width: int, height: int) -> None:
    decoded = image.decode(encoded(picture(width, height), "PNG"), SETTINGS, backbone)
    [sample] = image.prepare([decoded], SETTINGS, backbone)
    assert sample["pixels"].shape == (32, 32, 3)
    assert sample["pixels"].dtype == np.uint8
    expected = picture(width, height).resize((32, 32), Image.Resampling.BICUBIC)
    assert np.array_equal(sample["pixels"], np.asarray(expected))


def test_a_batch_is_normalised_as_the_backbone_declares(backbone: Path) -> None:
    samples = [{"pixels": np.asarray(picture(32, 32, seed))} for seed in range(3)]
    batch = image.collate(samples, backbone)["pixel_values"]
    assert batch.shape == (3, 3, 32, 32)
    assert batch.dtype == torch.float32
    assert batch.is_contiguous(memory_format=torch.channels_last)
    expected = (np.stack([sample["pixels"] for sample in samples]) / 255 - 0.5) / 0.25
    assert np.allclose(batch.permute(0, 2, 3, 1).numpy(), expected, atol=1e-6)


def test_models_without_timm_declare_it_in_their_preprocessor(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    (tmp_path / "preprocessor_config.json").write_text(
        '{"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], "resample": 2}'
    )
    assert image.recipe(tmp_path) == image.Recipe((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), Image.Resampling.BILINEAR)


def sees(folder: Path, **told: Any) -> Path:
    """A directory without timm that declares how it sees."""
    plain = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4], "resample": 3}
    (folder / "config.json").write_text('{"model_type": "resnet"}')
    (folder / "preprocessor_config.json").write_text(json.dumps({**plain, **told}))
    return folder


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"do_normalize": False},
        {"do_rescale": False},
        {"do_rescale": False, "do_normalize": False},
        {"rescale_factor": 1 / 127.5},
    ],
    ids=str,
)
def test_what_a_preprocessor_leaves_out_is_left_out(tmp_path: Path, told: dict[str, Any]) -> None:
    import transformers

    backbone, sight = sees(tmp_path, **told), picture(32, 32)
    ours = image.collate([{"pixels": np.asarray(sight)}], backbone)["pixel_values"]
    declared = json.loads((backbone / "preprocessor_config.json").read_text())
    stock = transformers.ViTImageProcessor(**declared, do_resize=False)(sight, return_tensors="pt")[
        "pixel_values"
    ].float()
    assert torch.allclose(ours, stock, rtol=1e-4, atol=1e-5)


def test_means_of_one_channel_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"image_mean and image_std are not of red, green and blue$"):
        image.recipe(sees(tmp_path, image_mean=[0.5], image_std=[0.5]))


@pytest.mark.parametrize(
    ("config", "only"),
    [
        ({"image_size": 224}, 224),
        ({"image_size": [384, 384]}, 384),
        ({"pretrained_cfg": {"input_size": [3, 224, 224], "fixed_input_size": True}}, 224),
        ({"pretrained_cfg": {"input_size": [3, 224, 224], "fixed_input_size": False}}, None),
        ({"model_type": "resnet"}, None),
    ],
    ids=str,
)
def test_a_size_the_backbone_has_no_places_for_is_refused(
    tmp_path: Path, config: dict[str, Any], only: int | None
) -> None:
    backbone = sees(tmp_path)
    sight = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}
    told = {**config, **({"pretrained_cfg": sight | config["pretrained_cfg"]} if "pretrained_cfg" in config else {})}
    (backbone / "config.json").write_text(json.dumps(told))
    settings = SETTINGS.model_copy(update={"size": 64})
    if only is None:
        assert image.prepare([picture()], settings, backbone)[0]["pixels"].shape == (64, 64, 3)
        return
    with pytest.raises(
        ConfigError, match=rf"^preprocess\.size: 64, .* of {only} x {only} pixels only; set it to {only}$"
    ):
        image.prepare([picture()], settings, backbone)


def test_a_directory_that_declares_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "preprocessor_config.json").write_text('{"image_mean": [0.5]}')
    with pytest.raises(BackboneError, match=r"preprocessor_config\.json: lacks image_std, resample"):
        image.recipe(tmp_path)


def batch_of(count: int, size: int, backbone: Path) -> dict[str, torch.Tensor]:
    return image.collate([{"pixels": np.asarray(picture(size, size, seed))} for seed in range(count)], backbone)


def augmented(batch: dict[str, torch.Tensor], backbone: Path, seed: int = 5, **changes: Any) -> torch.Tensor:
    settings = STILL.model_copy(update=changes)
    return image.augment(batch, settings, backbone, torch.Generator().manual_seed(seed))["pixel_values"]


EVERYTHING = {
    "flip_horizontal": 0.5,
    "flip_vertical": 0.5,
    "quarter_turns": True,
    "shift": 0.2,
    "scale": 0.3,
    "shear_degrees": 10.0,
    "brightness": 0.3,
    "contrast": 0.3,
    "saturation": 0.3,
}


def test_augmentation_is_reproducible_and_leaves_the_batch(backbone: Path) -> None:
    batch = batch_of(8, 16, backbone)
    before = batch["pixel_values"].clone()
    once, again = (augmented(batch, backbone, **EVERYTHING) for _ in range(2))
    assert torch.equal(once, again)
    assert torch.equal(batch["pixel_values"], before)
    assert not torch.equal(once, augmented(batch, backbone, seed=6, **EVERYTHING))
    assert once.is_contiguous(memory_format=torch.channels_last)
    assert once.min() >= -2 - 1e-5
    assert once.max() <= 2 + 1e-5


def test_augmentation_of_nothing_changes_nothing(backbone: Path) -> None:
    batch = batch_of(4, 16, backbone)
    assert torch.equal(augmented(batch, backbone), batch["pixel_values"])


def test_each_sample_has_draws_of_its_own(backbone: Path) -> None:
    one = batch_of(1, 16, backbone)["pixel_values"]
    many = augmented({"pixel_values": one.repeat(16, 1, 1, 1)}, backbone, **EVERYTHING)
    assert len({sample.numpy().tobytes() for sample in many}) == 16


@pytest.mark.parametrize(("change", "dims"), [("flip_horizontal", 3), ("flip_vertical", 2)])
def test_a_flip_is_exact(backbone: Path, change: str, dims: int) -> None:
    batch = batch_of(4, 16, backbone)
    assert torch.equal(augmented(batch, backbone, **{change: 1.0}), batch["pixel_values"].flip(dims))


def test_quarter_turns_are_the_four_rotations(backbone: Path) -> None:
    one = batch_of(1, 16, backbone)["pixel_values"]
    turned = augmented({"pixel_values": one.repeat(40, 1, 1, 1)}, backbone, quarter_turns=True)
    rotations = {one[0].rot90(turns, (1, 2)).numpy().tobytes() for turns in range(4)}
    assert {sample.numpy().tobytes() for sample in turned} == rotations


def test_a_shift_moves_whole_pixels_and_mirrors_the_edge(backbone: Path) -> None:
    line = torch.arange(10.0).expand(1, 3, 10, 10) / 10
    for moved in augmented({"pixel_values": line.repeat(20, 1, 1, 1)}, backbone, shift=0.3)[:, 0, 0]:
        offsets = [(torch.arange(10) + offset).abs() for offset in range(-3, 4)]
        assert any(torch.equal(moved, line[0, 0, 0, 9 - (9 - offset).abs()]) for offset in offsets)


def test_scale_keeps_the_middle_and_shear_slants(backbone: Path) -> None:
    dot = torch.zeros(1, 3, 17, 17)
    dot[..., 8, 8] = 1
    for moved in augmented({"pixel_values": dot.repeat(8, 1, 1, 1)}, backbone, scale=0.5, shear_degrees=20.0):
        assert moved[0].argmax() == 8 * 17 + 8


@pytest.mark.parametrize(
    ("change", "enhance"),
    [("brightness", ImageEnhance.Brightness), ("contrast", ImageEnhance.Contrast), ("saturation", ImageEnhance.Color)],
)
def test_tints_are_those_of_pillow(backbone: Path, change: str, enhance: Any) -> None:
    pictures = [picture(16, 16, seed) for seed in range(6)]
    batch = batch_of(6, 16, backbone)
    tinted = augmented(batch, backbone, **{change: 0.5})
    assert not torch.equal(tinted, batch["pixel_values"])
    for before, after in zip(pictures, tinted, strict=True):
        bytes_after = ((after * 0.25 + 0.5) * 255).permute(1, 2, 0).numpy()
        distances = [
            np.abs(np.asarray(enhance(before).enhance(factor)) - bytes_after).max()
            for factor in np.linspace(0.5, 1.5, 201)
        ]
        assert min(distances) < 3


def test_pictures_of_a_size_cost_the_same() -> None:
    assert image.lengths([{}, {}, {}]).tolist() == [1, 1, 1]


@pytest.mark.integration
def test_the_hugging_face_processor_sees_the_same(config: Config, repository: Path, tmp_path: Path) -> None:
    import json

    from transformers import AutoImageProcessor

    declared = config.backbones["efficientnet-lite0"]
    directory = backbones.fetch(declared, repository)
    content = json.loads((directory / "config.json").read_text())
    content["pretrained_cfg"] |= {"input_size": [3, 64, 64], "crop_mode": "squash", "crop_pct": 1.0}
    (tmp_path / "config.json").write_text(json.dumps(content))
    oblong = picture(90, 50)
    settings = SETTINGS.model_copy(update={"size": 64})
    ours = image.collate(image.prepare([oblong], settings, tmp_path), tmp_path)["pixel_values"]
    theirs = AutoImageProcessor.from_pretrained(tmp_path)(oblong, return_tensors="pt")["pixel_values"]
    assert torch.allclose(ours, theirs, atol=1e-6)
