"""Asks a network about the samples it was not asked about before: the other answers are kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks import versioning
from tasks.modalities import modality
from tasks.modalities.shards import Prepared
from tasks.neural import devices
from tasks.neural.inference import What, compute
from tasks.neural.networks import Network
from tasks.objectives import Array
from tasks.store import Store, keys

AT_ONCE = 2048
"""Samples whose answers are held in memory, and lost where the process is killed."""


@dataclass(frozen=True)
class Asking:
    """A network, what is asked of it, and prepared samples of its modality.

    `directory` says how a batch is made. `identity`: what its answers depend on, besides how the samples were
    prepared, the precision and the code, as JSON can write it.
    """

    network: Network
    prepared: Prepared
    directory: Path
    batch_size: int
    what: What
    identity: dict[str, Any]
    store: Store

    def answers(self, rows: Array, precision: str) -> Iterator[tuple[Array, int]]:
        """Yield the answers float32 [n, D or K] for some rows after others, and how many of them were computed now.

        Answers that were computed beside other samples differ by rounding: in float32 by less than 1e-5 of their
        length, in bfloat16 by less than 2e-2 (seen with real weights: 1e-6, and 6e-3 of texts).
        """
        wanted = keys(self._whole(precision), self.prepared.samples["id"].iloc[rows])
        for first in range(0, len(rows), AT_ONCE):
            beyond = min(first + AT_ONCE, len(rows))
            some, named = rows[first:beyond], wanted[first:beyond]
            known = self.store.take(named)
            fresh = [place for place, key in enumerate(named) if key not in known]
            shown = f"{self.what} {first:,} to {beyond:,} of {len(rows):,}"
            if fresh:
                computed = self._compute(some[fresh], precision, shown)
                made = {named[place]: {"answer": answer} for place, answer in zip(fresh, computed, strict=True)}
                self.store.keep(made)
                known |= made
            yield np.stack([known[key]["answer"] for key in named]), len(fresh)

    def all(self, rows: Array, precision: str) -> tuple[Array, int]:
        """Return all answers float32 [N, D or K], and how many were computed now."""
        parts, computed = zip(*self.answers(rows, precision), strict=True)
        return np.concatenate(parts), sum(computed)

    def _whole(self, precision: str) -> dict[str, Any]:
        name = self.network.modality
        return self.identity | {
            "what": self.what,
            "recipe": self.prepared.about["recipe"],
            "precision": str(devices.precision(precision)),
            "code": versioning.code("extract", name, "tasks/neural/", "tasks/modalities/"),
        }

    def _compute(self, rows: Array, precision: str, shown: str) -> Array:
        reads = modality(self.network.modality)
        return compute(
            self.network, self.prepared, rows, reads, self.directory, self.batch_size, precision, self.what, shown=shown
        )
