"""Turn the files of three packages into samples. Each reader offers its labels by name."""

from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from tasks.errors import SourceError
from tasks.sources import Refused, Sample, archives, files

BLOCK = 60
"""Cells of a solar module, as a rule 6 x 10: that many neighbouring rows look alike."""
TONES = {"": "1", "1": "neutral", "2": "2", "3": "3", "4": "4"}
"""What gcin-voice writes after a syllable, and the tone that means."""


def solar_cells(folder: Path, label: str) -> list[Sample | Refused]:
    """Read elpv-dataset. Labels: `defective` (defective, functional) or `probability` (0, 1/3, 2/3, 1).

    The rows stand in the order of the modules: groups are blocks of 60 rows inside a run of one module type.
    """
    _offered(label, ("defective", "probability"))
    table = _only(folder, "elpv_dataset/data/labels.csv")
    rows = [line.split() for line in _lines(table)]
    found = []
    for run, (kind, cells) in enumerate(groupby(rows, key=lambda row: row[2])):
        for place, (path, probability, _) in enumerate(cells):
            state = "defective" if float(probability) > 0.5 else "functional"
            group = f"run {run} ({kind}) block {place // BLOCK}"
            value = state if label == "defective" else probability
            found.append(files.sample(table.parent, path, value, group, split=""))
    return found


def movie_reviews(folder: Path, label: str) -> list[Sample | Refused]:
    """Read the film reviews of vaderSentiment's ICWSM 2014 set, one sentence a row.

    Labels: `score`, the mean of the raters from -4 to 4, or `sentiment`, its sign. A score of zero has no
    sign: those few rows are no part of the `sentiment` set.
    """
    _offered(label, ("sentiment", "score"))
    archives.unpack(_only(folder, "*/additional_resources/hutto_ICWSM_2014.tar.gz"), folder)
    table = _only(folder, "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt")
    found: list[Sample | Refused] = []
    for number, line in enumerate(_lines(table), start=1):
        _, score, text = line.split("\t", maxsplit=2)
        value = score if label == "score" else _sign(float(score))
        if value:
            found.append(Sample(f"{table.name} row {number}", text, value, group="", split=""))
    return found


def mandarin_tones(folder: Path, label: str) -> list[Sample | Refused]:
    """Read gcin-voice. Label: `tone` (1, 2, 3, 4, neutral). Groups are the syllables without their tone."""
    _offered(label, ("tone",))
    top = folder / "usr" / "share" / "gcin-voice" / "ogg"
    found = []
    for path in sorted(top.glob("*/*.ogg")):
        syllable = path.parent.name.rstrip("1234")
        tone = TONES[path.parent.name.removeprefix(syllable)]
        found.append(files.sample(top, path.relative_to(top).as_posix(), tone, syllable, split=""))
    return found


READERS: dict[str, Callable[[Path, str], list[Sample | Refused]]] = {
    "solar_cells": solar_cells,
    "movie_reviews": movie_reviews,
    "mandarin_tones": mandarin_tones,
}


def _sign(score: float) -> str:
    return "" if score == 0 else "positive" if score > 0 else "negative"


def _offered(label: str, labels: tuple[str, ...]) -> None:
    if label not in labels:
        raise SourceError(f"ingest.source.label: no {label!r}; this reader offers {', '.join(labels)}")


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise SourceError(f"the package holds no {pattern}; is it the version the reader was written for?")
    return found[0]


def _lines(path: Path) -> list[str]:
    """Return the lines that hold something, without their ends."""
    with path.open(encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in lines if line.strip()]
