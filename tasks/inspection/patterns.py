"""Finds the label, and a group, in the names of files that lie side by side."""

import re
from typing import NamedTuple

SEPARATORS = "_-. "
SAME = 0.95
"""The share of names that must be built alike."""
MOST_CLASSES = 200
LONG = re.compile(r"\d{4}")
"""A number so long is a date, a time or an identity."""


class Part(NamedTuple):
    """What stands at one place of all names."""

    values: set[str]
    names: int

    @property
    def tells(self) -> bool:
        """Whether it can be a label: few values, each of many names, more than one of them, and no dates."""
        few = 2 <= len(self.values) <= min(MOST_CLASSES, self.names // 5)
        return few and not any(LONG.search(value) for value in self.values)

    @property
    def words(self) -> bool:
        """Whether it is made of letters, as a name is, and not a counter."""
        return not any(value.isdigit() for value in self.values)


def pattern(names: list[str]) -> str | None:
    """Return a pattern of sources/names.py that fits the names and finds a label; null where none is seen."""
    stems = [name.rpartition(".")[0] or name for name in names]
    return next((found for separator in SEPARATORS if (found := _by(separator, stems))), None) or _numbered(stems)


def _by(separator: str, stems: list[str]) -> str | None:
    """Look at names cut at a separator: the first part that tells is the label, words after it are a group."""
    rows = [stem.split(separator) for stem in stems]
    length = max({len(row) for row in rows}, key=[len(row) for row in rows].count)
    alike = [row for row in rows if len(row) == length]
    if length < 2 or len(alike) < SAME * len(rows):
        return None
    parts = [Part(set(column), len(alike)) for column in zip(*alike, strict=True)]
    label = next((place for place, part in enumerate(parts) if part.tells and part.words), None)
    if label is None or any(part.tells for part in parts[:label]):
        # A number that tells may be the label as well; the last part is more often a counter.
        label = next((place for place, part in enumerate(parts[:-1]) if part.tells), label)
    if label is None:
        return None
    group = next((place for place, part in enumerate(parts) if place != label and part.tells and part.words), None)
    written = ["{label}" if place == label else "{group}" if place == group else "*" for place in range(length)]
    return separator.join(written) + ("" if written[-1] == "*" else ".*")


def _numbered(stems: list[str]) -> str | None:
    """Look at names that end in a number of their own: great_pyrenees_12."""
    for separator in SEPARATORS:
        cut = [re.fullmatch(rf"(.+){re.escape(separator)}\d+", stem) for stem in stems]
        found = [match[1] for match in cut if match]
        if len(found) >= SAME * len(stems) and Part(set(found), len(found)).tells:
            return f"{{label}}{separator}*"
    return None
