"""Files that went wrong, and odd ones that are fine, as bytes: what is in the folders that people really have."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image
from samples import encoded, picture, recording

PNG = b"\x89PNG\r\n\x1a\n"
PAGE = b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n"
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>\n'
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(range(256))
AVIF = b"\0\0\0\x18ftypavif\0\0\0\0avifmif1" + bytes(range(256))
VIDEO = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(range(256))
PHONE = b"\0\0\0\x18ftypM4A \0\0\2\0M4A mp42" + bytes(range(256))
ZIP = b"PK\3\4" + bytes(range(256))
ZEROS = bytes(4096)
LATIN = "naïve café".encode("latin-1")


def film(form: str, **options: Any) -> bytes:
    """Two frames: the first red, the second blue."""
    red, blue = Image.new("RGB", (24, 24), "red"), Image.new("RGB", (24, 24), "blue")
    return encoded(red, form, save_all=True, append_images=[blue], **options)


def chunked(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of these chunks, each with its checksum."""
    whole = PNG
    for name, data in chunks:
        whole += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return whole


def png(width: int, height: int, depth: int, kind: int, data: bytes) -> bytes:
    """A PNG with this header and these rows of bytes, whatever they are."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return chunked((b"IHDR", header), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b""))


def bomb() -> bytes:
    """A real PNG of 25,000 x 25,000 black pixels in less than a hundred kilobytes."""
    return png(25_000, 25_000, 1, 0, bytes(25_000 * (25_000 // 8 + 1)))


def text_bomb() -> bytes:
    """A PNG of 8 x 8 pixels with 80 megabytes of remarks, well packed."""
    remarks = (b"zTXt", b"remark\0\0" + zlib.compress(bytes(80_000_000)))
    header = (b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
    return chunked(header, remarks, (b"IDAT", zlib.compress(bytes(72))), (b"IEND", b""))


def flipped(content: bytes, place: int) -> bytes:
    """The same with a bit of one byte turned over."""
    changed = bytearray(content)
    changed[place] ^= 1
    return bytes(changed)


def profiled(profile: bytes) -> bytes:
    """A JPEG with this colour profile."""
    return encoded(picture(seed=31), "JPEG", icc_profile=profile)


def inverted() -> bytes:
    """A red picture in CMYK as Photoshop writes it: ink that is there is 0, and a marker says so."""
    return encoded(Image.new("CMYK", (24, 24), (0, 255, 255, 0)), "JPEG", quality=95)


def turned(orientation: int) -> bytes:
    """A JPEG from a phone that was held upright: wide in the file, tall to see."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(picture(40, 20, seed=32), "JPEG", exif=exif)


def wide_png() -> bytes:
    """16 bits a channel, RGB, which Pillow cannot write."""
    rows = np.linspace(0, 65_535, 20 * 20 * 3).astype(">u2").reshape(20, -1)
    return png(20, 20, 16, 2, b"".join(b"\0" + row.tobytes() for row in rows))


def indexed(transparent: bool) -> bytes:
    """A picture of a palette."""
    return encoded(picture(seed=33).quantize(8), "PNG", **({"transparency": 0} if transparent else {}))


def noise(seconds: float = 0.5, rate: int = 16_000, channels: int = 1, seed: int = 0) -> "np.ndarray[Any, Any]":
    """Quiet noise, another for each seed: a decoder can neither guess nor repeat it."""
    shape = (round(seconds * rate), channels)[: 1 if channels == 1 else 2]
    return np.random.default_rng(seed).normal(0, 0.1, shape).clip(-1, 1)


def announcing(size: int, content: bytes) -> bytes:
    """A WAV whose header announces so many bytes of sound."""
    place = content.index(b"data") + 4
    return content[:place] + struct.pack("<I", size) + content[place + 4 :]


def wav(seed: int, seconds: float = 0.5, rate: int = 16_000) -> bytes:
    """A 16-bit WAV of noise."""
    return recording(noise(seconds, rate, seed=seed), rate, subtype="PCM_16")


def channels(number: int, content: bytes) -> bytes:
    """A WAV whose header says another number of channels."""
    return content[:22] + struct.pack("<H", number) + content[24:]


def half_mp3() -> bytes:
    """The first 6,000 bytes of 20 seconds, with the header of the whole."""
    return compressed(13, "MP3", "MPEG_LAYER_III", 20)[:6000]


def without_sound() -> bytes:
    """A RIFF file that says how its sound is, and holds none."""
    content = wav(40)
    place = content.index(b"data")
    return b"RIFF" + struct.pack("<I", place - 8) + content[8:place]


def at_rate(rate: int, content: bytes) -> bytes:
    """A WAV whose header says another rate."""
    return content[:24] + struct.pack("<II", rate, rate * 2) + content[32:]


def hours(number: int) -> bytes:
    """So many hours of faint ticking, which FLAC packs into little."""
    stream = io.BytesIO()
    second = np.zeros(2000, np.int16)
    second[0] = 1
    with soundfile.SoundFile(stream, "w", 2000, 1, "PCM_16", format="FLAC") as file:
        for _ in range(number * 60):
            file.write(np.tile(second, 60))
    return stream.getvalue()


def compressed(seed: int, form: str, subtype: str, seconds: float = 2.0, rate: int = 16_000) -> bytes:
    """Noise as FLAC, OGG or MP3."""
    return recording(noise(seconds, rate, seed=seed), rate, form=form, subtype=subtype)


def write(path: Path, content: bytes) -> None:
    """Write a file and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
