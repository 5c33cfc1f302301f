"""Why a network answered as it did: which part of one sample spoke for the answer, found by captum."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from tasks.objectives import Array

if TYPE_CHECKING:
    from tasks.modalities import Batch
    from tasks.neural.networks import Network

EXPLAINERS = {
    "image": "tasks.explaining.image",
    "text": "tasks.explaining.text",
    "audio": "tasks.explaining.audio",
}


class Explanation(NamedTuple):
    """What spoke for an answer, and against it where negative.

    Of pictures and recordings a `map` float32 [rows, columns] laid over the whole sample: top to bottom and left to
    right, or low to high and early to late. Of texts `words`, each with its part. `value` is the number explained,
    `nothing` the same number for the empty sample, null where the method compares with none; otherwise all parts
    add up to value - nothing. `method` says in words how it was found.
    """

    map: Array | None
    words: list[tuple[str, float]]
    value: float
    nothing: float | None
    method: str


class Explainer(Protocol):
    """Each entry of EXPLAINERS is a module with this function."""

    def explain(self, network: "Network", batch: "Batch", directory: Path, target: int | None) -> Explanation:
        """Explain the answer to a batch of one, in float32; the network is in evaluation mode and learns nothing.

        `directory` is the network's model directory; `target` the class whose log-odds are explained, null for a
        value.
        """


def explainer(modality: str) -> Explainer:
    """Return what explains answers to samples of `modality`."""
    return cast(Explainer, import_module(EXPLAINERS[modality]))
