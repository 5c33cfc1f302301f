"""What the pipeline knows of images, texts and recordings: read one sample, prepare many, make a batch."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import numpy as np

if TYPE_CHECKING:
    import torch

MODALITIES = {
    "image": "tasks.modalities.image",
    "text": "tasks.modalities.text",
    "audio": "tasks.modalities.audio",
}

Arrays = dict[str, np.ndarray[Any, Any]]
"""One sample as named arrays; of many samples together, the first axis counts the samples."""

DECODERS = {"image": "tasks.modalities.image", "audio": "tasks.modalities.sound_files"}
"""Where native code reads files of unknown origin and may crash: the module that does so in a process of its own."""


class Unpacked(NamedTuple):
    """What is left of a file when native code is done with it: an array, and what JSON can say of it."""

    array: np.ndarray[Any, Any]
    facts: dict[str, Any]


Batch = dict[str, "torch.Tensor"]
"""What a network takes: tensors [B, ...] by the names its `forward` knows."""


class Decoder(Protocol):
    """Each entry of DECODERS is a module with these functions; one after the other they are the modality's `decode`."""

    def unpack(self, content: bytes, settings: Any, backbone: Path) -> Unpacked:
        """Read the bytes of a file; what it imports is light, its array small. BadSample says why it is unusable."""

    def finish(self, unpacked: Unpacked, settings: Any, backbone: Path) -> Any:
        """Make of it one decoded sample, as `prepare` takes it; BadSample where that cannot be."""


class Modality(Protocol):
    """Each entry of MODALITIES is a module with these two and these functions.

    `settings` is the section of params.yaml that belongs to the step: preprocess for `decode` and `prepare`,
    augment for `augment`. `backbone` is a Hugging Face model directory, pretrained or fine-tuned: it says how
    samples must be for it (mean and deviation, vocabulary, sampling rate), and is read once per process.
    Raises BackboneError where the directory does not say what the modality must know.
    """

    CHUNK: int
    """How many samples are decoded and prepared at one go: the bound on what is in memory in decoded form."""

    FLAGS: tuple[str, ...]
    """Which of a prepared sample's arrays are bool [], for a user to know of how many they are true."""

    def takes(self, backbone: Path) -> dict[str, Any]:
        """Return, as JSON can write it, all that `decode` and `prepare` take from the backbone's directory."""

    def decode(self, content: bytes | str, settings: Any, backbone: Path) -> Any:
        """Turn the bytes of a file (or a text) into one decoded sample; BadSample says why it is unusable."""

    def prepare(self, decoded: Sequence[Any], settings: Any, backbone: Path) -> list[Arrays]:
        """Turn decoded samples into what is kept of them; no sample's arrays depend on its neighbours."""

    def collate(self, samples: Sequence[Arrays], backbone: Path) -> Batch:
        """Stack samples into the batch the network takes, normalised and padded as the backbone wants it."""

    def augment(self, batch: Batch, settings: Any, backbone: Path, generator: "torch.Generator") -> Batch:
        """Return a collated batch with each of its samples changed at random by draws from `generator`.

        `generator` is one of the CPU; the batch may be on any device and is left as it was.
        """

    def variants(self, count: int, settings: Any, generator: "torch.Generator") -> "torch.Tensor | None":
        """Return int64 [count], which of a sample's few exact variants `augment` makes of each by the same draws.

        0 is the sample as it is. Null where it is changed in more ways than can be counted, or mixed with others.
        """

    def lengths(self, samples: Sequence[Arrays]) -> "np.ndarray[Any, np.dtype[np.int64]]":
        """Return int64 [N], what each sample costs to compute, so that like can be batched with like."""


def modality(name: str) -> Modality:
    """Return the modality declared as `name`."""
    return cast(Modality, import_module(MODALITIES[name]))


def decoder(name: str) -> Decoder:
    """Return the decoder of the modality declared as `name`."""
    return cast(Decoder, import_module(DECODERS[name]))
