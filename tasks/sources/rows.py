"""Judges the rows a source found: each becomes one of the table, or is refused by name and reason."""

import hashlib
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.errors import BadSample
from tasks.progress import track
from tasks.schema import AnyDataset, ColumnSplit
from tasks.sources import Refused, Sample
from tasks.sources.splits import SPLITS
from tasks.workspace import sha256_of

NOTHING = ("nan", "null", "<na>", "#n/a")
"""What programs write into a table where there is no label. `none` and `na` may be meant."""
CONTRADICTIONS = (
    ("split", "stand in the splits", "keep it in one of them"),
    ("label", "are labelled", "decide which label is right and take the others out"),
)
COLUMNS = ("id", "name", "content", "label", "group", "split", "confidence")


def judge(found: list[Sample | Refused], params: AnyDataset) -> tuple[pd.DataFrame, list[Refused]]:
    """Return the usable rows, each with its id, and the refused ones."""
    rows, refused = [], []
    for sample in track(found, "reading", len(found)):
        if isinstance(sample, Refused):
            refused.append(sample._replace(name=_printable(sample.name)))
            continue
        try:
            rows.append(_row(sample, params))
        except BadSample as reason:
            refused.append(Refused(_printable(sample.name), str(reason), reason.mend))
    return pd.DataFrame(rows, columns=list(COLUMNS)), refused


def without_contradictions(table: pd.DataFrame) -> tuple[pd.DataFrame, list[Refused]]:
    """Take out the samples whose bytes occur again with another label or in another declared split."""
    refused: dict[Any, Refused] = {}
    torn = pd.Series(False, index=table.index)
    for column, told, mend in CONTRADICTIONS:
        several = table.groupby("id")[column].transform("nunique") > 1
        torn |= several
        for _, rows in table[several].groupby("id"):
            values = " and ".join(sorted(map(str, rows[column].unique())))
            names = f"{rows['name'].iloc[0]} and {rows['name'].iloc[1]}"
            reason = f"{names} hold the same but {told} {values}"
            refused |= {row: Refused(name, reason, mend) for row, name in rows["name"].items()}
    return table[~torn], list(refused.values())


def _row(sample: Sample, params: AnyDataset) -> tuple[str, str, Path | str, str | float, str, str, float]:
    if any(_printable(text) != text for text in (sample.name, sample.label, sample.group)):
        raise BadSample("its name, label or group is no valid Unicode", "rename it")
    label = LABELS[params.objective](sample.label.strip())
    split = sample.split.strip() if isinstance(params.ingest.split, ColumnSplit) else ""
    if split not in SPLITS and isinstance(params.ingest.split, ColumnSplit):
        raise BadSample(f"its split is {split!r}", f"write {', '.join(SPLITS[:-1])} or {SPLITS[-1]}")
    confidence = _confidence(sample.confidence.strip())
    return _identity(sample.content), sample.name, sample.content, label, sample.group.strip(), split, confidence


def _identity(content: Path | str) -> str:
    """Return the sha256 of a file's bytes, or of a text's UTF-8 bytes; BadSample if there are none."""
    try:
        if isinstance(content, str):
            if not content.strip():
                raise BadSample("is an empty text", "write something, or take it out")
            return hashlib.sha256(content.encode()).hexdigest()
        if content.stat().st_size == 0:
            raise BadSample("is an empty file", "copy or download it again")
        return sha256_of(content)
    except UnicodeEncodeError:
        raise BadSample(
            "holds half a surrogate pair: it was cut or decoded wrongly", "write it anew from its source"
        ) from None
    except OSError as error:
        raise BadSample(f"cannot be read ({error.strerror})", "make it readable, e.g. `chmod +r`") from None


def _name(label: str) -> str:
    if not label:
        raise BadSample("has no label", "label it, or take it out")
    if label.lower() in NOTHING:
        raise BadSample(f"its label is {label!r}, which stands for none", "label it, or take it out")
    return label


def _number(label: str) -> float:
    if not label:
        raise BadSample("has no label", "label it, or take it out")
    try:
        value = float(label)
    except ValueError:
        mend = "write it with a decimal point" if "," in label else "write a number, or take it out"
        raise BadSample(f"its label {label!r} is no number", mend) from None
    if not isfinite(value):
        raise BadSample(f"its label {label!r} is no finite number", "write a finite number, or take it out")
    return value


def _confidence(given: str) -> float:
    """Return how sure the annotators were of a label, above 0 and at most 1; sure where nothing is given."""
    try:
        value = float(given or 1)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise BadSample(
            f"its confidence {given!r} is no number above 0 and at most 1", "write such a number, or nothing for sure"
        )
    return value


LABELS: dict[str, Callable[[str], str | float]] = {"classification": _name, "regression": _number}
"""What a label is for each objective."""


def _printable(text: str) -> str:
    """Return a text that can be written: what is no valid Unicode in a file's name is spelt out."""
    return text.encode("utf-8", "backslashreplace").decode()
