"""A sample as a reader sees, reads or hears it, with what spoke for the answer it got."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tasks.errors import BadSample
from tasks.modalities import Arrays, image
from tasks.objectives import Array
from tasks.reporting import media, words
from tasks.reporting.shelf import Shelf

LONGEST_TEXT = 1500
"""Characters of a text that are shown."""
SHOWN = ("picture", "explained", "silent", "sound", "seconds", "text", "words", "altered")
"""What a card can show; each modality has some of it."""


def _picture(shelf: Shelf, identity: str, explained: dict[str, Any] | None, parts: Array | None) -> dict[str, Any]:
    """Return the picture as it came, and once more with the places that spoke for the answer."""
    opened = _opened(shelf, identity)
    if opened is None:
        shelf.missing += 1
        return {}
    heated = None if parts is None or not parts.any() else media.with_heat(opened, parts)
    return {
        "picture": shelf.budget.uri("image/jpeg", media.picture(opened)),
        "explained": None if heated is None else shelf.budget.uri("image/jpeg", heated),
        "silent": parts is not None and not parts.any(),
    }


def _opened(shelf: Shelf, identity: str) -> Any:
    """Return the picture in its own shape, or as the network saw it where the file is gone."""
    from PIL import Image

    raw = shelf.raw(identity)
    settings = SimpleNamespace(pixel_limit=shelf.found.params.preprocess.model_dump().get("pixel_limit"))
    if isinstance(raw, bytes):
        try:
            return image.decode(raw, settings, Path())  # type: ignore[arg-type]
        except BadSample:
            pass
    arrays = shelf.sample(identity)
    return None if arrays is None or "pixels" not in arrays else Image.fromarray(arrays["pixels"])


def _text(shelf: Shelf, identity: str, explained: dict[str, Any] | None, parts: Array | None) -> dict[str, Any]:
    """Return the text, and its words as the network read them, each with how loudly it spoke."""
    raw = shelf.raw(identity)
    text = raw.decode(errors="replace") if isinstance(raw, bytes) else raw
    shelf.missing += text is None
    known = explained["words"] if explained else []
    loudest = max((abs(part) for _, part in known), default=0.0) or 1.0
    marked = [
        {"word": word, "part": words.minus(f"{part:+.2f}"), "kind": "for" if part > 0 else "against",
         "strength": round(100 * abs(part) / loudest)}
        for word, part in known
    ]  # fmt: skip
    cut = text is not None and len(text) > LONGEST_TEXT
    return {
        "text": text[:LONGEST_TEXT] + ("…" if cut else "") if text else None,
        "words": marked,
        "altered": bool(text) and _bare("".join(word for word, _ in known)) != _bare(text or ""),
    }


def _bare(text: str) -> str:
    """Return a text without case and space: where only those differ, reading it twice tells nothing."""
    return "".join(text.split()).lower()


def _sound(shelf: Shelf, identity: str, explained: dict[str, Any] | None, parts: Array | None) -> dict[str, Any]:
    """Return the sound to be played, its spectrogram, and the spectrogram with what spoke for the answer."""
    raw, arrays = shelf.raw(identity), shelf.sample(identity)
    window = float(shelf.found.params.preprocess.model_dump().get("window_seconds", media.LONGEST_SECONDS))
    played = _played(raw, window) if isinstance(raw, bytes) else None
    shelf.missing += played is None
    shown = {"sound": None if played is None else shelf.budget.uri("audio/flac", played)}
    if arrays is None:
        return shown
    mel = arrays["mel"] if "mel" in arrays else _spectrum(arrays)
    mel, parts, share = media.without_silent_end(mel, parts)
    marked = None if parts is None or not parts.any() else shelf.budget.uri("image/jpeg", media.spectrogram(mel, parts))
    seen = shelf.budget.uri("image/jpeg", media.spectrogram(mel))
    return {**shown, "picture": seen, "explained": marked, "seconds": words.number(share * window, 2)}


def _spectrum(arrays: Arrays) -> Array:
    """Return the log-mel of what other backbones hear; torch computes it."""
    from tasks.modalities import hearing

    heard = hearing.of_sample(arrays)
    return heard.spectrum(arrays[heard.ARRAY])


def _played(raw: bytes, window: float) -> bytes | None:
    import soundfile

    try:
        return media.sound(raw, window)
    except (soundfile.SoundFileError, RuntimeError, ValueError):
        return None


SHOWS: dict[str, Callable[[Shelf, str, dict[str, Any] | None, Array | None], dict[str, Any]]] = {
    "image": _picture,
    "text": _text,
    "audio": _sound,
}
"""How a sample of each modality is shown."""
