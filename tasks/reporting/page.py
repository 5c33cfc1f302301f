"""The page: sections filled into templates that escape all they are given, for names and texts may be hostile."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tasks.reporting import data, examples, learning, media, mistakes, origin, promotion, trust, words
from tasks.reporting.gather import Gathered
from tasks.reporting.headline import headline

TEMPLATES = Path(__file__).parent / "templates"
ROOM = 3_500_000
"""Bytes that pictures and sounds may take of the page, so that it stays below 5 MB."""


def render(found: Gathered) -> str:
    """Return the whole page as HTML: no script, and nothing it would have to ask another machine for."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["plural"] = words.counted
    style = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return made.get_template("page.html").render(style=style, **sections(found))


def sections(found: Gathered) -> dict[str, Any]:
    """Return what each section tells."""
    return {
        "name": found.params.name,
        "modality": found.params.modality,
        "objective": found.params.objective,
        "best": found.best,
        "date": origin.date(found),
        "headline": headline(found),
        "learning": learning.learning(found),
        "confusion": mistakes.confusion(found),
        "classes": mistakes.classes(found),
        "values": mistakes.values(found),
        "examples": examples.examples(found, media.Budget(ROOM)),
        "trust": trust.trust(found),
        "data": data.data(found),
        "leaks": data.leaks(found),
        "promotion": promotion.promotion(found),
        "lineage": origin.lineage(found),
        "cost": origin.cost(found),
        "usage": origin.usage(found),
    }
