"""Turn the files of three packages into samples. Each reader offers its labels by name, some their splits too."""

from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

from tasks.errors import SourceError
from tasks.sources import Refused, Sample, archives, files, splits

BLOCK = 60
"""Cells of a solar module, as a rule 6 x 10: that many neighbouring rows look alike."""
TONES = {"": "1", "1": "neutral", "2": "2", "3": "3", "4": "4"}
"""What gcin-voice writes after a syllable, and the tone that means."""
SENTENCES_TO_VALIDATE, SYLLABLES_TO_VALIDATE = 0.1, 0.15
"""Shares of what is learnt from that choose among models, where a reader itself says what the test is."""


def solar_cells(folder: Path, label: str) -> list[Sample | Refused]:
    """Read elpv-dataset. Labels: `defective` (defective, functional) or `probability` (0, 1/3, 2/3, 1).

    The rows stand in the order of the modules: groups are blocks of 60 rows inside a run of one module type.
    The confidence of `defective` is the probability of the state that was the likelier one.
    """
    _offered(label, ("defective", "probability"))
    table = _only(folder, "elpv_dataset/data/labels.csv")
    rows = [line.split() for line in _lines(table)]
    found = []
    for run, (kind, cells) in enumerate(groupby(rows, key=lambda row: row[2])):
        for place, (path, probability, _) in enumerate(cells):
            value, confidence = _state(float(probability)) if label == "defective" else (probability, "")
            group = f"run {run} ({kind}) block {place // BLOCK}"
            found.append(files.sample(table.parent, path, value, group, split="", confidence=confidence))
    return found


def movie_reviews(folder: Path, label: str) -> list[Sample | Refused]:
    """Read the film reviews of vaderSentiment's ICWSM 2014 set, one sentence a row.

    Labels: `score`, the mean of the raters from -4 to 4, or `sentiment`, its sign. A score of zero has no
    sign: those few rows are no part of the `sentiment` set.
    """
    _offered(label, ("sentiment", "score"))
    archives.unpack(_only(folder, "*/additional_resources/hutto_ICWSM_2014.tar.gz"), folder)
    return [*_snippets(folder, "movieReview", label)]


def movies_to_amazon(folder: Path, label: str) -> list[Sample | Refused]:
    """Read the film reviews to learn from and Amazon's product reviews of the same set to be asked, by sentences.

    Label: `sentiment`, as in `movie_reviews`. Splits: a film's sentence is train or, a tenth by a hash of the
    sentence, validation; one of Amazon is test. Groups are Amazon's reviews; films have none.
    """
    _offered(label, ("sentiment",))
    movies = [sample for sample in movie_reviews(folder, label) if isinstance(sample, Sample)]
    learnt = [sample._replace(split=_learnt(str(sample.content), SENTENCES_TO_VALIDATE)) for sample in movies]
    return [*learnt, *(sample._replace(split="test") for sample in _snippets(folder, "amazonReview", label))]


def mandarin_tones(folder: Path, label: str) -> list[Sample | Refused]:
    """Read gcin-voice. Label: `tone` (1, 2, 3, 4, neutral). Groups are the syllables without their tone."""
    _offered(label, ("tone",))
    top = folder / "usr" / "share" / "gcin-voice" / "ogg"
    found = []
    for path in sorted(top.glob("*/*.ogg")):
        syllable = path.parent.name.rstrip("1234")
        tone = TONES[path.parent.name.removeprefix(syllable)]
        found.append(files.sample(top, path.relative_to(top).as_posix(), tone, syllable, split="", confidence=""))
    return found


def tones_by_speaker(folder: Path, label: str) -> list[Sample | Refused]:
    """Read gcin-voice to learn from one speaker and be asked the other. Label: `tone`, as in `mandarin_tones`.

    Splits: speaker 3 is train or, 15 % of the syllables by their hash, validation; speaker 5 is test. Groups are
    the syllables of a speaker: the same syllable is in train and in test on purpose, so it is not one group.
    """
    return [_by_speaker(one) if isinstance(one, Sample) else one for one in mandarin_tones(folder, label)]


READERS: dict[str, Callable[[Path, str], list[Sample | Refused]]] = {
    "solar_cells": solar_cells,
    "movie_reviews": movie_reviews,
    "movies_to_amazon": movies_to_amazon,
    "mandarin_tones": mandarin_tones,
    "tones_by_speaker": tones_by_speaker,
}


def _state(probability: float) -> tuple[str, str]:
    """Return the likelier state of a cell and how likely it is, in digits that make 2/3 and 1 - 1/3 one number."""
    state = "defective" if probability > 0.5 else "functional"
    return state, f"{max(probability, 1 - probability):.12g}"


def _snippets(folder: Path, kind: str, label: str) -> Iterator[Sample]:
    """Yield the sentences of one table of the unpacked set; where their ids are N_M, the group is document N."""
    table = _only(folder, f"hutto_ICWSM_2014/{kind}Snippets_GroundTruth.txt")
    for number, line in enumerate(_lines(table), start=1):
        identity, score, text = line.split("\t", maxsplit=2)
        document, part, _ = identity.partition("_")
        value = score if label == "score" else _sign(float(score))
        if value:
            group = f"document {document}" if part else ""
            yield Sample(f"{table.name} row {number}", text, value, group, split="", confidence="")


def _by_speaker(sample: Sample) -> Sample:
    speaker = Path(sample.name).stem
    split = _learnt(sample.group, SYLLABLES_TO_VALIDATE) if speaker == "3" else "test"
    return sample._replace(group=f"{sample.group} speaker {speaker}", split=split)


def _learnt(key: str, validation: float) -> str:
    """Say whether a sample is train or validation, by a hash of its key alone."""
    return "validation" if splits.place("validation", key) < validation else "train"


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
