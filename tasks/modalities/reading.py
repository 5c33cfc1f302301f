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
    """What became of some rows: the arrays of those that can be used, by their numbers, and those refused."""

    arrays: dict[int, Arrays] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)


@dataclass(frozen=True)
class Decoding:
    """How the samples of a modality are decoded: in this process or, with `decoders`, in some that may die."""

    modality: Modality
    settings: Any
    backbone: Path
    decoder: Decoder | None
    decoders: Decoders | None

    def __call__(self, content: bytes | str) -> Any:
        """Return one decoded sample; BadSample says why it is unusable."""
        if self.decoder is None or self.decoders is None or isinstance(content, str):
            return self.modality.decode(content, self.settings, self.backbone)
        return self.decoder.finish(self.decoders.unpack(content), self.settings, self.backbone)


@contextmanager
def decoding(name: str, settings: Any, declared: dict[str, Any], backbone: Path, expected: int) -> Iterator[Decoding]:
    """Yield how samples of the modality `name` are decoded, and end its processes afterwards.

    `declared` are the settings as JSON writes them. Not more processes begin at once than samples are `expected`.
    """
    if name not in DECODERS:
        yield Decoding(modality(name), settings, backbone, None, None)
        return
    # They begin while this process imports what the modality needs.
    with Decoders(DECODERS[name], declared, backbone, min(expected, cores())) as decoders:
        yield Decoding(modality(name), settings, backbone, decoder(name), decoders)


@dataclass(frozen=True)
class Reader:
    """All it takes to read rows; several threads may use it at once."""

    raw: Path
    decode: Decoding

    def read(self, rows: Sequence[Row]) -> Outcome:
        """Decode each row and prepare, together, those that can be used."""
        decoded, refused = {}, []
        for row in rows:
            try:
                decoded[row.number] = self.decode(content(self.raw, row))
            except BadSample as reason:
                refused.append(Refusal(row.name, row.id, str(reason), reason.mend))
        if not decoded:
            return Outcome({}, refused)
        ready = self.decode.modality.prepare([*decoded.values()], self.decode.settings, self.decode.backbone)
        return Outcome(dict(zip(decoded, ready, strict=True)), refused)


def joined(outcomes: Iterable[Outcome]) -> Outcome:
    """Put together what became of the chunks of one shard."""
    whole = Outcome()
    for one in outcomes:
        whole.arrays |= one.arrays
        whole.refused += one.refused
    return whole


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
