"""Chooses among a table's columns: which holds the content, the label, the group, the split, the confidence."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pandas as pd

from tasks.errors import SourceError, did_you_mean
from tasks.inspection.request import Request
from tasks.sources.splits import SPLITS

LABELS = (
    "label", "labels", "class", "category", "target", "y", "sentiment", "species", "intent", "topic", "genre",
    "diagnosis", "grade", "stars", "rating", "score", "price", "answer", "emotion", "language", "tag",
)  # fmt: skip
TEXTS = (
    "text", "sentence", "review", "content", "comment", "message", "body", "document", "question", "title",
)  # fmt: skip
GROUPS = (
    "group", "patient", "speaker", "subject", "person", "author", "user", "customer", "session", "day", "date",
    "site", "location", "station", "camera", "device", "module", "scene", "source", "batch", "block", "run",
    "plate", "slide", "video", "film", "movie",
)  # fmt: skip
"""What people call such columns; the first of a list counts for most."""
LOOKED = 5000
"""Rows looked at to tell what a column holds."""
FILES_SHARE = 0.5
"""From this share of cells that name a file on, a column names files."""


class Chosen(NamedTuple):
    """The `columns` of params.yaml, whether the content is a path, what was seen, and what else might be a group."""

    columns: dict[str, str | None]
    path: bool
    said: list[str]
    repeated: dict[str, int]


def choose(table: pd.DataFrame, name: str, request: Request, is_file: Callable[[str], bool]) -> Chosen:
    """Choose the columns of the table `name`, whose cells are texts; what the request names is taken.

    SourceError where no column, or more than one, could be the content or the label.
    """
    part, left = table.head(LOOKED), [str(column) for column in table.columns]
    for wanted in (request.content, request.label, request.group):
        if wanted is not None and wanted not in left:
            raise SourceError(f"{name}: no column {wanted}; there are: {', '.join(left)}{did_you_mean(wanted, left)}")
    taken = [column for column in (request.label, request.group) if column is not None]
    files = [column for column in left if column not in taken and names_files(part[column], is_file)]
    content = request.content or _only(files) or _text(part, [column for column in left if column not in taken], name)
    split, told = _split(table, [column for column in left if column not in (content, *taken)])
    rest = [column for column in left if column not in (content, split, *told)]
    label = request.label or _label(part, [column for column in rest if column != request.group], name)
    confidence = _confidence(part, [column for column in rest if column not in (label, request.group)])
    repeated = {
        column: part[column].nunique()
        for column in rest
        if column not in (label, confidence) and _repeats(part[column])
    }
    group = request.group or _named(repeated, GROUPS)
    columns = {"content": content, "label": label, "group": group, "split": split, "confidence": confidence}
    others = {column: count for column, count in repeated.items() if column != group}
    return Chosen(columns, content in files, list(told.values()), others)


def names_files(cells: "pd.Series[Any]", is_file: Callable[[str], bool]) -> bool:
    """Tell whether at least half of the first cells name a file."""
    shown = cells[cells != ""].head(20)
    return bool(len(shown)) and sum(map(is_file, shown)) >= FILES_SHARE * len(shown)


def _only(columns: list[str]) -> str | None:
    return columns[0] if columns else None


def _text(part: pd.DataFrame, left: list[str], name: str) -> str:
    """Return the column of texts: one that is called so, or the one with by far the most words."""
    words = {column: float(part[column].str.count(r"\S+").mean()) for column in left}
    named = _named([column for column in left if part[column].nunique() > 2], TEXTS)
    most = max(words, key=words.__getitem__, default=None)
    if named is not None and words[named] >= 1:
        return named
    if most is None or words[most] < 2:
        there = ", ".join(left) or "none"
        raise SourceError(f"{name}: no column holds texts or names of files; name it: --content COLUMN (of: {there})")
    return most


def _label(part: pd.DataFrame, left: list[str], name: str) -> str:
    """Return the column of labels: one that is called so, or the only one with few values that repeat."""
    differ = [column for column in left if part[column].nunique() > 1]
    named = _named(differ, LABELS)
    if named is not None:
        return named
    few = [column for column in differ if part[column].nunique() <= max(2, min(200, len(part) // 5))]
    free = [column for column in few if _named([column], GROUPS) is None]
    if len(free) == 1 or len(few) == 1:
        return (free if len(free) == 1 else few)[0]
    if not few:
        there = ", ".join(map(str, part.columns))
        raise SourceError(f"{name}: no column looks like labels; name it: --label COLUMN (there are: {there})")
    shown = ", ".join(f"{column} ({part[column].nunique()} values)" for column in few[:6])
    raise SourceError(f"{name}: several columns could be the label; name it: --label COLUMN, one of {shown}")


def _named(columns: Iterable[str], names: tuple[str, ...]) -> str | None:
    """Return the first column that is called as one of the names, whatever its case; or whose name has it as a word."""
    known = list(columns)
    lower = {column.lower().strip(): column for column in known}
    exact = next((lower[name] for name in names if name in lower), None)
    if exact is not None:
        return exact
    words = {column: column.lower().replace("-", "_").replace(" ", "_").split("_") for column in known}
    return next((column for name in names for column in known if name in words[column]), None)


def _repeats(cells: "pd.Series[Any]") -> bool:
    """Tell whether few values are repeated across rows, as those of a patient or a day are."""
    filled = cells[cells != ""]
    return len(filled) == len(cells) and 3 <= filled.nunique() <= len(filled) / 2


def _split(table: pd.DataFrame, left: list[str]) -> tuple[str | None, dict[str, str]]:
    """Return the column that says train, validation and test; where one says something alike, why it is not used."""
    for column in left:
        values = set(table[column].str.strip().unique()) if table[column].head(LOOKED).nunique() <= 4 else set()
        if values == set(SPLITS):
            return column, {}
        if "train" in {value.lower() for value in values}:
            shown = ", ".join(sorted(values))
            needed = f"not used, a split by column needs {', '.join(SPLITS)}"
            return None, {column: f"column {column} says {shown}: {needed}"}
    return None, {}


def _confidence(part: pd.DataFrame, left: list[str]) -> str | None:
    column = _named(left, ("confidence", "certainty"))
    if column is None:
        return None
    values = pd.to_numeric(part[column].where(part[column] != "", "1"), errors="coerce")
    return column if bool(((values > 0) & (values <= 1)).all()) else None
