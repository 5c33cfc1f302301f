"""Samples as they are shown: pictures, sounds and spectrograms as data URIs, within a bound on the page's size."""

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
from PIL import Image
from scipy.signal import resample_poly

from tasks.objectives import Array

SIDE = 280
"""Pixels of the longer side of a picture."""
SPECTROGRAM = (560, 200)
"""Width and height of a spectrogram in pixels."""
QUALITY = 82
RATE = 16_000
"""Samples a second of a sound that is played: what the networks hear, and small."""
LONGEST_SECONDS = 10
FOR, AGAINST = (230, 97, 0), (28, 110, 180)
"""Orange speaks for the answer, blue against it: told apart by every kind of colour vision."""


@dataclass
class Budget:
    """How many bytes of pictures and sounds the page may still hold; `left_out` counts what found no room."""

    room: int
    left_out: int = 0

    def uri(self, kind: str, content: bytes) -> str | None:
        """Return a data URI, or None where it would be too much."""
        text = f"data:{kind};base64,{base64.b64encode(content).decode()}"
        if len(text) > self.room:
            self.left_out += 1
            return None
        self.room -= len(text)
        return text


def picture(image: Image.Image) -> bytes:
    """Return a picture as JPEG, its longer side at most SIDE."""
    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE))
    return _jpeg(small)


def with_heat(image: Image.Image, heat: Array) -> bytes:
    """Return a picture in grey with a map [rows, columns] laid over the whole of it: the stronger, the more orange."""
    small = image.convert("L").convert("RGB")
    small.thumbnail((SIDE, SIDE))
    return _jpeg(_tinted(small, heat, smooth=True))


def spectrogram(mel: Array, parts: Array | None = None) -> bytes:
    """Return a log-mel spectrogram [bands, frames], low at the bottom; `parts` [rows, columns] tints its cells."""
    low, high = float(mel.min()), float(mel.max())
    grey = ((mel - low) / max(high - low, 1e-9) * 255).astype(np.uint8)[::-1]
    image = Image.fromarray(grey).resize(SPECTROGRAM, Image.Resampling.BILINEAR).convert("RGB")
    return _jpeg(image if parts is None else _tinted(image, parts[::-1], smooth=False))


def without_silent_end(mel: Array, parts: Array | None) -> tuple[Array, Array | None, float]:
    """Cut off what was padded behind a sound, from the spectrogram and its parts alike; return the share that stays.

    Both are cut between two columns of the parts, so that they still lie on one another.
    """
    columns = mel.shape[1] if parts is None else parts.shape[1]
    heard = np.flatnonzero(mel.max(axis=0) > mel.min() + 1e-6)
    frames = int(heard[-1]) + 1 if len(heard) else mel.shape[1]
    kept = -(-frames * columns // mel.shape[1])
    end = -(-kept * mel.shape[1] // columns)
    return mel[:, :end], None if parts is None else parts[:, :kept], kept / columns


def _tinted(image: Image.Image, parts: Array, smooth: bool) -> Image.Image:
    """Mix in orange where parts are positive and blue where they are negative, at most four fifths."""
    strongest = float(np.abs(parts).max()) or 1.0
    resample = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    scaled = np.asarray(Image.fromarray((parts / strongest).astype(np.float32)).resize(image.size, resample))
    share = 0.8 * np.clip(np.abs(scaled), 0, 1)[..., None]
    colour = np.where(scaled[..., None] > 0, FOR, AGAINST)
    mixed = np.asarray(image) * (1 - share) + colour * share
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))


def _jpeg(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


def sound(content: bytes, most_seconds: float) -> bytes:
    """Return the beginning of a sound file as FLAC, mono, RATE samples a second, as loud as the format holds."""
    with soundfile.SoundFile(io.BytesIO(content)) as file:
        rate = file.samplerate
        samples = file.read(int(min(most_seconds, LONGEST_SECONDS) * rate), dtype="float32", always_2d=True)
    wave = samples.mean(axis=1)
    if rate != RATE:
        step = int(np.gcd(rate, RATE))
        wave = resample_poly(wave, RATE // step, rate // step)
    return _flac(wave / max(float(np.abs(wave).max(initial=0.0)), 1e-9) * 0.9)


def _flac(wave: "np.ndarray[Any, Any]") -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, wave, RATE, format="FLAC", subtype="PCM_16")
    return stream.getvalue()
