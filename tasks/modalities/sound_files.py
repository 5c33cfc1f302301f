"""Sound files: read with suspicion, mixed to mono, cut to little more than the window, at the backbone's rate."""

import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import soundfile

from tasks.errors import BadSample
from tasks.modalities import Unpacked
from tasks.modalities.sound_headers import missing
from tasks.signatures import signature

if TYPE_CHECKING:
    from torchaudio.transforms import Resample

    from tasks.schema import AudioPreprocess

Wave = np.ndarray[Any, np.dtype[np.float32]]

MARGIN_SECONDS = 0.1
"""What the resampling filter may see beyond the window; it reaches 6 periods of the lower of two rates."""
KERNEL_LIMIT = 2**24
"""Filter coefficients (in float32 64 MiB) that resampling may take. All usual rates stay far below. From
44,101 to 16,000 Hz it would be 2.8 GB, and a header that says so is broken more often than meant."""
LOWEST_RATE = 1000
"""Samples a second: below, nothing higher than 500 Hz is left, and such a header is broken more often than meant."""
SHORTEST_SECONDS = 0.01
"""About the shortest click; less is what is left of a recording that failed."""
LOUDEST = 100.0
"""Some recordings pass full scale, 1, by a little; 32,768 is full scale of whole numbers that became floats."""
READ = ("WAV", "FLAC", "OGG", "MP3")
AGAIN = "copy or download it again"


class Recording(NamedTuple):
    """Samples float32 [S], mono, at the backbone's rate, little more than the window; full length in s."""

    samples: Wave
    seconds: float


def decode(content: bytes | str, settings: "AudioPreprocess", backbone: Path) -> Recording:
    """Read any format libsndfile knows (WAV, FLAC, OGG, MP3, AIFF ...); several channels become their mean.

    The format is told by the content, never by a file name. Raises BadSample for what is unreadable, empty, cut
    short, too long, NaN or infinite, or silent through the window.
    """
    if isinstance(content, str):
        raise BadSample("is a text, not the bytes of a sound file", "name the files in a column of paths")
    return finish(unpack(content, settings, backbone), settings, backbone)


def unpack(content: bytes, settings: "AudioPreprocess", backbone: Path) -> Unpacked:
    """Return the mono samples float32 [S] of little more than the window, with their `rate` and full `seconds`."""
    sound, rate = _read(content, settings.duration_limit_seconds)
    if not len(sound):
        raise BadSample("holds no samples", "record it again, or take it out")
    if not np.isfinite(sound).all():
        raise BadSample("holds samples that are NaN or infinite", "export it again as 16-bit WAV or FLAC")
    _check_scale(sound, rate)
    kept = sound[: int((settings.window_seconds + MARGIN_SECONDS) * rate)].mean(axis=1)
    if not kept[: settings.window_seconds * rate].any():
        reason = f"is silent: every sample of its first {settings.window_seconds} s is zero"
        raise BadSample(reason, "cut the silence off, raise preprocess.window_seconds, or take it out")
    return Unpacked(kept, {"rate": rate, "seconds": len(sound) / rate})


def finish(unpacked: Unpacked, settings: "AudioPreprocess", backbone: Path) -> Recording:
    """Bring them to the backbone's rate; BadSample where that is out of all proportion."""
    from tasks.modalities import hearing

    kept = _resampled(unpacked.array.copy(), unpacked.facts["rate"], hearing.rate(backbone))
    return Recording(kept, unpacked.facts["seconds"])


def _read(content: bytes, limit_seconds: float) -> tuple[Wave, int]:
    """Return the samples float32 [S, channels] and their rate.

    The header may lie about the length: it is checked first, and then no more than the limit is read.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate, most = file.samplerate, int(limit_seconds * file.samplerate)
            announced = file.frames
            sound = file.read(0 if announced > most else most + 1, dtype="float32", always_2d=True)
            kind = file.format
    except Exception as error:  # whatever libsndfile and its binding trip over in broken bytes
        raise _undecodable(content, error) from None
    if rate < LOWEST_RATE:
        reason = f"has {rate} samples a second, too few to hear anything"
        raise BadSample(reason, "correct the rate in its header, or record it with 8,000 or more")
    if max(announced, len(sound)) > most:
        reason = f"is longer than duration_limit_seconds, {limit_seconds:g} s"
        raise BadSample(reason, "cut it into pieces, or raise preprocess.duration_limit_seconds")
    lacking = missing(content, kind, announced, len(sound))
    if lacking:
        raise BadSample(f"is cut short: {lacking}", AGAIN)
    return sound, rate


def _undecodable(content: bytes, error: Exception) -> BadSample:
    """Say what it is instead of a recording, or what libsndfile says, without the place in memory of what it read."""
    found = signature(content)
    if found is not None and found.name.split()[1] not in READ:
        mend = "convert it to WAV or FLAC" if found.kin == "sound" else found.mend
        return BadSample(f"is no recording but {found.name}", mend)
    said = " ".join(str(getattr(error, "error_string", error)).split())[:200]
    return BadSample(f"cannot be decoded: {said}", f"{AGAIN}, or convert it to WAV or FLAC")


def _check_scale(sound: Wave, rate: int) -> None:
    """Raise BadSample where length or loudness are of no recording."""
    if len(sound) < SHORTEST_SECONDS * rate:
        reason = f"lasts {1000 * len(sound) / rate:.2g} ms, shorter than any sound"
        raise BadSample(reason, "record it again, or take it out")
    peak = float(np.abs(sound).max())
    if peak > LOUDEST:
        reason = f"reaches {peak:,.0f} where full scale is 1"
        raise BadSample(reason, "divide it by its full scale, 32,768 for 16 bits, or save it as whole numbers")


def _resampled(sound: Wave, rate: int, wanted: int) -> Wave:
    """Return `sound` [S] at the wanted rate."""
    if rate == wanted:
        return sound
    step = np.gcd(rate, wanted)
    if (wanted // step) * (rate // step) > KERNEL_LIMIT:
        reason = f"has {rate} samples a second, which cannot be brought to {wanted}"
        raise BadSample(reason, f"convert it to {wanted}")
    import torch

    return np.asarray(_resampler(rate, wanted)(torch.from_numpy(sound)).numpy())


@cache
def _resampler(rate: int, wanted: int) -> "Resample":
    """Return torchaudio.functional.resample with its filter computed once."""
    from torchaudio.transforms import Resample

    return Resample(rate, wanted)
