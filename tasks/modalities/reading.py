"""Turns rows of a manifest into arrays; the unusable ones are refused by name and reason."""

import csv
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tasks.errors import BadSample
from tasks.modalities import Arrays, Modality


class Row(NamedTuple):
    """A row of the manifest: its number, and the sample's id, name, file below raw/ or else text."""

    number: int
    id: str
    name: str
    path: str | None
    text: str | None


class Refusal(NamedTuple):
    """Which sample is unusable, and why."""

    name: str
    id: str
    reason: str


@dataclass
class Outcome:
    """What became of some rows: the numbers of those used, each with its arrays, and those refused."""

    used: list[int] = field(default_factory=list)
    samples: list[Arrays] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True)
class Reader:
    """All it takes to read rows; several threads may use it at once."""

    raw: Path
    modality: Modality
    settings: Any
    backbone: Path

    def read(self, rows: Sequence[Row]) -> Outcome:
        """Decode each row and prepare, together, those that can be used."""
        outcome, decoded = Outcome(), []
        for row in rows:
            try:
                decoded.append(self.modality.decode(content(self.raw, row), self.settings, self.backbone))
                outcome.used.append(row.number)
            except BadSample as reason:
                outcome.refused.append(Refusal(row.name, row.id, str(reason)))
        if decoded:
            outcome.samples = self.modality.prepare(decoded, self.settings, self.backbone)
        return outcome


def content(raw: Path, row: Row) -> bytes | str:
    """Return the text, or the bytes of the file; BadSample where it is gone or no longer what ingest saw."""
    if row.path is None:
        return row.text or ""
    try:
        found = (raw / row.path).read_bytes()
    except OSError as error:
        raise BadSample(f"its file raw/{row.path} cannot be read ({error.strerror})") from None
    if hashlib.sha256(found).hexdigest() != row.id:
        raise BadSample(f"its file raw/{row.path} was changed after ingest")
    return found


def write_refused(path: Path, refused: Iterable[Refusal]) -> None:
    """Write the refused samples as CSV: name, id, reason."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(Refusal._fields)
        table.writerows(refused)
