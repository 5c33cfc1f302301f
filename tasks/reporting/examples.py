"""Single test samples: the worst errors and some right answers, each on a card."""

from typing import Any

from tasks.objectives import Array
from tasks.reporting import media, words
from tasks.reporting.gather import Gathered
from tasks.reporting.shelf import Shelf
from tasks.reporting.showing import SHOWN, SHOWS


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
