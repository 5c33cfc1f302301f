"""A small mark of each sample by which its copies are known, and how alike two marks are, per modality."""

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol, cast

from tasks.modalities import Arrays
from tasks.objectives import Array

FINGERPRINTS = {
    "image": "tasks.leaks.image",
    "text": "tasks.leaks.text",
    "audio": "tasks.leaks.audio",
}


class Fingerprint(Protocol):
    """Each entry of FINGERPRINTS is a module with these; its docstring says what likeness means."""

    READS_TEXT: bool
    """Whether a mark is made of the sample's text rather than of its arrays."""

    def mark(self, prepared: Arrays, text: str | None) -> Array:
        """Return the mark of one sample, some kilobytes at most, from its prepared arrays or else its text."""

    def keys(self, marks: Sequence[Array], likeness: float) -> Array:
        """Return uint64 [ways * N, B]: alike samples agree in at least one of B keys, in one way to look at them.

        The first N rows are the samples as they are, N more perhaps their mirror images.
        """

    def alike(self, marks: Sequence[Array], first: Array, second: Array) -> Array:
        """Return float32 [P], in 0..1, how alike the samples of each pair of numbers int64 [P] are."""


def fingerprint(modality: str) -> Fingerprint:
    """Return the fingerprint of the modality declared as `modality`."""
    return cast(Fingerprint, import_module(FINGERPRINTS[modality]))
