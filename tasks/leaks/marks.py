"""The marks by which near duplicates are found: made once of each sample."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tasks import versioning
from tasks.leaks.fingerprints import fingerprint
from tasks.modalities.reading import Reader, Row, content
from tasks.modalities.shards import Prepared
from tasks.objectives import Array
from tasks.progress import track
from tasks.store import Store, keys

AT_ONCE = 1024
"""Marks that are made before they are kept."""


@dataclass(frozen=True)
class Marks:
    """Makes marks of the samples of a modality, prepared by `recipe`; `reader` gives their texts."""

    store: Store
    recipe: str
    modality: str
    reader: Reader

    def of(self, prepared: Prepared, rows: Sequence[dict[str, Any]]) -> list[Array]:
        """Return the mark of each prepared sample; `rows` are their rows of the manifest."""
        identity = {"what": "mark", "recipe": self.recipe, "code": self._code()}
        wanted = keys(identity, (row["id"] for row in rows))
        known = {key: arrays["mark"] for key, arrays in self.store.take(wanted).items()}
        fresh = {}
        for number, key in enumerate(track(wanted, "comparing", len(rows))):
            if key not in known:
                known[key] = fresh[key] = self._mark(prepared, number, rows[number])
            if len(fresh) == AT_ONCE or number + 1 == len(wanted):
                self.store.keep({key: {"mark": mark} for key, mark in fresh.items()})
                fresh = {}
        return [known[key] for key in wanted]

    def _code(self) -> str:
        return versioning.code("preprocess", self.modality, "tasks/leaks/")

    def _mark(self, prepared: Prepared, number: int, row: dict[str, Any]) -> Array:
        """Make the mark of a sample from its arrays or, where texts are meant, from what was raw."""
        looks, text = fingerprint(self.modality), None
        if looks.READS_TEXT:
            whole = Row(number, row["id"], row["name"], row["path"], row["text"])
            text = str(self.reader.decode(content(self.reader.raw, whole)))
        return looks.mark(prepared[number], text)
