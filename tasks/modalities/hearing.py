"""How backbones hear: what is kept of a recording, how a batch is made of it and changed.

A new way to hear is a row of HEARING. Each gives what transformers' feature extractor of that name gives, to 1e-4.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tasks.errors import BackboneError
from tasks.modalities import Arrays, Batch, filter_bank, log_mel, wave
from tasks.modalities.directory import CONFIG, PROCESSOR, declared, read
from tasks.schema import AudioAugment

if TYPE_CHECKING:
    import torch

Floats = np.ndarray[Any, np.dtype[np.float32]]


class Hearing(Protocol):
    """Each entry of HEARING is a module with this name and these functions. `ARRAY`: what its array is called."""

    ARRAY: str

    def prepare(self, sounds: Sequence[Floats], seconds: int, backbone: Path) -> list[Floats]:
        """Return what is kept of each sound float32 [S], at the backbone's rate, cut to a window of `seconds`."""

    def collate(self, arrays: Sequence[Floats], backbone: Path) -> Batch:
        """Stack what was kept into what the network takes."""

    def augment(self, batch: Batch, settings: AudioAugment, backbone: Path, generator: "torch.Generator") -> Batch:
        """Change each sample at random; ConfigError for a change that cannot be made to what is heard."""

    def spectrum(self, array: Floats) -> Floats:
        """Return the log-mel float32 [bands, frames] of what was kept, four decades to one: to compare, to show."""

    def cost(self, samples: Sequence[Arrays]) -> "np.ndarray[Any, np.dtype[np.int64]]":
        """Return int64 [N], what each prepared sample costs to compute."""

    def extractor(self, seconds: int) -> dict[str, Any]:
        """Return what transformers' feature extractor must be told of the window."""


HEARING: dict[str, Hearing] = {
    "WhisperFeatureExtractor": log_mel,
    "Wav2Vec2FeatureExtractor": wave,
    "ASTFeatureExtractor": filter_bank,
}
"""By `feature_extractor_type` of preprocessor_config.json: Whisper; Wav2Vec2 and HuBERT; AST."""


def of(backbone: Path) -> Hearing:
    """Return how the backbone in this directory hears; BackboneError if that is not known here."""
    name = _extractor(backbone)
    if name not in HEARING:
        known = ", ".join(HEARING)
        raise BackboneError(f"{backbone / PROCESSOR}: {name} is no way to hear known here; there are {known}")
    return HEARING[name]


def of_sample(sample: Arrays) -> Hearing:
    """Return how the backbone hears that `sample` was prepared for."""
    return next(hears for hears in HEARING.values() if hears.ARRAY in sample)


def told(backbone: Path) -> dict[str, Any]:
    """Return all that its directory says of how it hears."""
    return {**read(backbone, PROCESSOR), "feature_extractor_type": _extractor(backbone)}


@cache
def rate(backbone: Path) -> int:
    """Return how many samples a second the backbone hears."""
    return int(declared(read(backbone, PROCESSOR), backbone, PROCESSOR, "sampling_rate")[0])


@cache
def _extractor(backbone: Path) -> str:
    """Return the name of its feature extractor: as it says, or as transformers knows of its kind of network."""
    told = read(backbone, PROCESSOR).get("feature_extractor_type")
    if told is None:
        from transformers.models.auto import feature_extraction_auto as auto

        (kind,) = declared(read(backbone, CONFIG), backbone, CONFIG, "model_type")
        told = auto.FEATURE_EXTRACTOR_MAPPING_NAMES.get(kind, f"that of {kind}")  # type: ignore[attr-defined]
    return str(told)
