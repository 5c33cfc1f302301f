"""What one check found, as it stands in leaks.json."""

from collections.abc import Sequence
from typing import NamedTuple

SHOWN = 5
"""How many examples are kept of one finding."""


class Finding(NamedTuple):
    """What was looked for, how much of it was found, what became of it (refused, reported, none), and a sentence."""

    check: str
    found: int
    verdict: str
    said: str
    examples: list[str]


def clean(check: str, said: str, found: int = 0) -> Finding:
    """Return a finding that needs no one's attention."""
    return Finding(check, found, "none", said, [])


def reported(check: str, found: int, said: str, examples: Sequence[str]) -> Finding:
    """Return a finding that a user should look at."""
    return Finding(check, found, "reported", said, list(examples[:SHOWN]))
