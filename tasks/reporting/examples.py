"""Single test samples as a reader sees, reads or hears them, with what spoke for the answer they got."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tasks.errors import BadSample
from tasks.modalities import Arrays, image
from tasks.modalities.reading import content
from tasks.modalities.shards import Prepared
from tasks.objectives import Array
from tasks.reporting import media, words
from tasks.reporting.gather import Gathered

LONGEST_TEXT = 1500
"""Characters of a text that are shown."""

SHOWN = ("picture", "explained", "silent", "sound", "seconds", "text", "words", "altered")
"""What a card can show; each modality has some of it."""


@dataclass
class Shelf:
    """Where the samples of a page come from, and how much room there is for them."""

    found: Gathered
    budget: media.Budget
    missing: int = field(default=0)

    @cached_property
    def prepared(self) -> dict[str, int]:
        """Return the row of each prepared sample by id."""
        return {str(one): row for row, one in enumerate(self.found.samples["id"])} if len(self.found.samples) else {}

    @cached_property
    def arrays(self) -> Prepared:
        """Return the prepared samples."""
        return Prepared(self.found.workspace.prepared)

    def raw(self, identity: str) -> bytes | str | None:
        """Return the file's bytes or the text; None where it is not on this machine or is no longer what it was."""
        row = self.found.rows.get(identity)
        try:
            return None if row is None else content(self.found.workspace.raw, row)
        except BadSample:
            return None

    def sample(self, identity: str) -> Arrays | None:
        """Return the prepared arrays of a sample."""
        return self.arrays[self.prepared[identity]] if identity in self.prepared else None


def examples(found: Gathered, budget: media.Budget) -> dict[str, Any]:
    """Return the worst errors and some right answers, the explained ones with what spoke for the answer."""
    shelf = Shelf(found, budget)
    parts = {str(one["id"]): (one, _map(found, place)) for place, one in enumerate(found.explained.samples)}
    listed = {str(one["id"]) for one in found.errors}
    wrong = [_card(shelf, one, *parts.get(str(one["id"]), (None, None))) for one in found.errors]
    wrong += [
        _card(shelf, *both(one, parts))
        for one in found.explained.samples
        if not one["right"] and one["id"] not in listed
    ]
    right = [_card(shelf, *both(one, parts)) for one in found.explained.samples if one["right"]]
    return {
        "wrong": wrong,
        "right": right,
        "method": found.explained.method,
        "off": _off(found),
        "left_out": budget.left_out,
        "missing": shelf.missing,
    }


def both(one: dict[str, Any], parts: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return an explained sample, and again with its map."""
    return one, *parts[str(one["id"])]


def _map(found: Gathered, place: int) -> Array | None:
    return None if found.explained.maps is None else found.explained.maps[place]


def _card(shelf: Shelf, told: dict[str, Any], explained: dict[str, Any] | None, parts: Array | None) -> dict[str, Any]:
    """Return what is told of one sample."""
    classes = shelf.found.params.objective == "classification"
    sure = float(told["confidence"]) if told.get("confidence") else None
    shows = SHOWS[shelf.found.params.modality]
    return {
        "name": told["name"],
        "truth": told["truth"] if classes else words.number(float(told["truth"])),
        "answer": told["answer"] if classes else words.number(float(told["answer"])),
        "sure": None if sure is None else words.nearly(sure),
        "share": sure,
        "off": words.minus(f"{float(told['deviation']):+.3g}") if told.get("deviation") else None,
        "value": None if explained is None else words.minus(f"{explained['value']:+.2f}"),
        "nothing": None
        if not explained or explained["nothing"] is None
        else words.minus(f"{explained['nothing']:+.2f}"),
        **dict.fromkeys(SHOWN),
        **shows(shelf, str(told["id"]), explained, parts),
    }


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
    mel = None if arrays is None else arrays.get("mel")
    if mel is None or mel.ndim != 2:
        return shown
    mel, parts, share = media.without_silent_end(mel, parts)
    marked = None if parts is None or not parts.any() else shelf.budget.uri("image/jpeg", media.spectrogram(mel, parts))
    seen = shelf.budget.uri("image/jpeg", media.spectrogram(mel))
    return {**shown, "picture": seen, "explained": marked, "seconds": words.number(share * window, 2)}


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


def _off(found: Gathered) -> str | None:
    """Tell how far the parts of an explanation are from adding up, at worst; None where they need not."""
    gaps = []
    for place, one in enumerate(found.explained.samples):
        if one["nothing"] is None:
            continue
        whole = _map(found, place)
        total = sum(part for _, part in one["words"]) if whole is None else float(whole.sum(dtype="float64"))
        change = one["value"] - one["nothing"]
        gaps.append(abs(total - change) / max(abs(change), 0.1))
    return f"{words.percent(max(max(gaps), 0.001))}" if gaps else None
