"""Turns rows of a manifest into arrays; the unusable ones are refused by name and reason."""

import csv
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tasks.errors import BadSample
from tasks.isolation import Decoders
from tasks.modalities import DECODERS, Arrays, Decoder, Modality, decoder, modality
from tasks.neural.devices import cores

INGEST = "run ingest again"


class Row(NamedTuple):
    """A row of the manifest: its number, and the sample's id, name, file below raw/ or else text."""

    number: int
    id: str
    name: str
    path: str | None
    text: str | None


class Refusal(NamedTuple):
    """Which sample is unusable, why, and what to do."""

    name: str
    id: str
    reason: str
    mend: str


@dataclass
class Outcome:
    """What became of some rows: the numbers of those used, each with its arrays, and those refused."""

    used: list[int] = field(default_factory=list)
    samples: list[Arrays] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


@contextmanager
def reading(name: str, raw: Path, settings: Any, backbone: Path) -> Iterator["Reader"]:
    """Yield what reads rows of the modality `name`, and end its processes afterwards."""
    if name not in DECODERS:
        yield Reader(raw, modality(name), settings, backbone, None, None)
        return
    # They begin while this process imports what the modality needs.
    with Decoders(DECODERS[name], settings.model_dump(mode="json"), backbone, cores()) as decoders:
        yield Reader(raw, modality(name), settings, backbone, decoder(name), decoders)


@dataclass(frozen=True)
class Reader:
    """All it takes to read rows; several threads may use it at once."""

    raw: Path
    modality: Modality
    settings: Any
    backbone: Path
    decoder: Decoder | None
    """What finishes the samples that `decoders` unpack; without them the modality decodes here."""
    decoders: Decoders | None

    def read(self, rows: Sequence[Row]) -> Outcome:
        """Decode each row and prepare, together, those that can be used."""
        outcome, decoded = Outcome(), []
        for row in rows:
            try:
                decoded.append(self._decoded(content(self.raw, row)))
                outcome.used.append(row.number)
            except BadSample as reason:
                outcome.refused.append(Refusal(row.name, row.id, str(reason), reason.mend))
        if decoded:
            outcome.samples = self.modality.prepare(decoded, self.settings, self.backbone)
        return outcome

    def _decoded(self, content: bytes | str) -> Any:
        if self.decoder is None or self.decoders is None or isinstance(content, str):
            return self.modality.decode(content, self.settings, self.backbone)
        return self.decoder.finish(self.decoders.unpack(content), self.settings, self.backbone)


def content(raw: Path, row: Row) -> bytes | str:
    """Return the text, or the bytes of the file; BadSample where it is gone or no longer what ingest saw."""
    if row.path is None:
        return row.text or ""
    try:
        found = (raw / row.path).read_bytes()
    except OSError as error:
        raise BadSample(f"its file raw/{row.path} cannot be read ({error.strerror})", INGEST) from None
    if hashlib.sha256(found).hexdigest() != row.id:
        raise BadSample(f"its file raw/{row.path} was changed after ingest", INGEST)
    return found


def write_refused(path: Path, refused: Iterable[Refusal]) -> None:
    """Write the refused samples as CSV: name, id, reason, mend."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(Refusal._fields)
        table.writerows(refused)
