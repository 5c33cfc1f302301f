"""The same in int8, its ranges learnt from some of the samples (post-training quantisation)."""

from pathlib import Path

from bench.data import Data
from bench.micro import openvino_features


def measure(data: Data, work: Path) -> dict[str, float]:
    """Time the conversion and the features; `likeness` is their mean cosine to those of the network in float32."""
    return openvino_features.measure(data, work, "int8")
