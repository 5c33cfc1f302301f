"""Opens some of the samples: how large, long or loud they are, which cannot be read, which look alike."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd

from tasks.errors import BadSample
from tasks.inspection import likeness
from tasks.progress import track
from tasks.schema import ImagePreprocess

AGAIN = "record it again, or take it out"
LOOKED = 500
"""How many files are opened."""
LOOKED_TEXTS = 5000
"""How many texts are compared for being nearly the same."""
TOKENS_A_WORD, CHARACTERS_A_TOKEN = 1.3, 4.5
"""What a word of English and a token are worth; the larger of both estimates is taken, for other languages."""


class Contents(NamedTuple):
    """What was seen in `looked` samples. `sizes`: what each costs, pixels on the longer side, seconds or tokens.

    `said`: what to tell, label and text. `bad`: names and reasons. `alike`: pairs of names nearly the same; null where
    it was not looked for.
    """

    looked: int
    sizes: "np.ndarray[Any, np.dtype[np.float64]]"
    said: list[tuple[str, str]]
    bad: list[tuple[str, str]]
    alike: list[tuple[str, str]] | None


Opened = tuple[float, Any, Any]
"""Size of a sample, what is counted of it, and its fingerprint."""


def seen(table: pd.DataFrame, modality: str, pixel_limit: int) -> Contents:
    """Look into the rows of a census, which is sorted by a hash of the contents: the first are a random part."""
    if modality == "text":
        return _texts(table)
    part, opened, bad = table.head(LOOKED), list[Opened](), list[tuple[str, str]]()
    names = []
    for row in track(part.itertuples(), "looking", len(part)):
        try:
            opened.append(OPENERS[modality](Path(cast(Any, row).content), pixel_limit))
            names.append(str(cast(Any, row).name))
        except BadSample as reason:
            bad.append((str(cast(Any, row).name), str(reason.args[0])))
        except OSError as error:
            bad.append((str(cast(Any, row).name), f"cannot be read ({error.strerror})"))
    sizes = np.array([size for size, _, _ in opened])
    alike = likeness.pictures(names, [mark for _, _, mark in opened]) if modality == "image" else None
    return Contents(len(part), sizes, TELLERS[modality](opened), bad, alike)


def unseen() -> Contents:
    """Return what is known of samples that lie elsewhere."""
    told = ("contents", "not looked at: the files lie elsewhere and are fetched when it runs")
    return Contents(0, np.array([]), [told], [], None)


def _picture(path: Path, pixel_limit: int) -> Opened:
    """Decode as preprocess will."""
    from tasks.modalities import image

    settings = cast(ImagePreprocess, SimpleNamespace(pixel_limit=pixel_limit))
    picture = image.decode(path.read_bytes(), settings, path)
    return float(max(picture.size)), picture.size, likeness.fingerprint(picture)


def _recording(path: Path, pixel_limit: int) -> Opened:
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            facts = (file.samplerate, file.channels)
            heard = file.read(min(file.frames, 30 * file.samplerate), dtype="float32", always_2d=True)
            seconds = file.frames / file.samplerate
    except (soundfile.SoundFileError, RuntimeError, ValueError) as error:
        raise BadSample(f"cannot be decoded: {' '.join(str(error).split())[:200]}", AGAIN) from None
    if not len(heard) or not np.isfinite(heard).all():
        raise BadSample("holds no samples, or some that are no numbers", AGAIN)
    if not heard.any():
        raise BadSample("is silent", AGAIN)
    return seconds, facts, None


def _texts(table: pd.DataFrame) -> Contents:
    texts = [_text(content) for content in table["content"].head(20 * LOOKED_TEXTS)]
    words = np.array([len(text.split()) for text in texts], dtype=np.float64)
    characters = np.array([len(text) for text in texts], dtype=np.float64)
    tokens = np.maximum(words * TOKENS_A_WORD, characters / CHARACTERS_A_TOKEN) + 2
    alike = likeness.texts(table["name"].head(LOOKED_TEXTS).tolist(), texts[:LOOKED_TEXTS])
    told = f"{_range(words, '{:,.0f}')} words; about {np.median(tokens):,.0f} tokens, of 95 in 100 at most "
    told += f"{np.quantile(tokens, 0.95):,.0f} (estimated)"
    return Contents(min(len(texts), LOOKED_TEXTS), tokens, [("lengths", told)], [], alike)


def _text(content: Any) -> str:
    return content.read_text(encoding="utf-8", errors="replace") if isinstance(content, Path) else str(content)


def _told_pictures(opened: Sequence[Opened]) -> list[tuple[str, str]]:
    sizes = Counter(size for _, size, _ in opened)
    if not sizes:
        return []
    (width, height), count = sizes.most_common(1)[0]
    if len(sizes) == 1:
        return [("sizes", f"{width} x {height} pixels")]
    sides = np.array([size for size, _, _ in opened])
    return [("sizes", f"longer side {_range(sides, '{:,.0f}')} pixels; most often {width} x {height} ({count:,})")]


def _told_recordings(opened: Sequence[Opened]) -> list[tuple[str, str]]:
    if not opened:
        return []
    seconds = np.array([size for size, _, _ in opened])
    rates = Counter(facts for _, facts, _ in opened)
    shown = ", ".join(f"{rate:,} Hz {CHANNELS.get(channels, f'{channels} channels')}" for rate, channels in rates)
    return [("lengths", f"{_range(seconds, '{:.2f}')} s; {shown}")]


CHANNELS = {1: "mono", 2: "stereo"}


def _range(values: "np.ndarray[Any, Any]", form: str) -> str:
    low, middle, high = (form.format(value) for value in (values.min(), np.median(values), values.max()))
    return low if low == high else f"{low} to {high}, half of them below {middle}"


OPENERS: dict[str, Callable[[Path, int], Opened]] = {"image": _picture, "audio": _recording}
TELLERS: dict[str, Callable[[Sequence[Opened]], list[tuple[str, str]]]] = {
    "image": _told_pictures,
    "audio": _told_recordings,
}
