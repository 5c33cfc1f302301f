"""Recordings: integrated gradients on the spectrogram, summed over cells of time and frequency.

The empty recording is as quiet everywhere as the quietest place of the spectrogram; a network that hears the wave
itself is compared with silence, and its cells have time only.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tasks.explaining import Explanation
from tasks.explaining.integrated import asking, parts
from tasks.modalities import Batch
from tasks.neural.networks import Network
from tasks.objectives import Array

METHOD = "integrated gradients on the spectrogram, against silence, summed over cells of time and frequency"
CELLS = (16, 48)
"""At most so many cells of frequency and time: finer ones are noise to the eye."""


def explain(network: Network, batch: Batch, directory: Path, target: int | None) -> Explanation:
    """Return the part of each cell [frequency, time], low and early first."""
    name = next(name for name, tensor in batch.items() if tensor.is_floating_point())
    sample = batch[name]
    rest = {key: tensor for key, tensor in batch.items() if key != name}
    silence = torch.zeros_like(sample) if sample.ndim == 2 else sample.amin().expand_as(sample).contiguous()
    found, value, empty = parts(asking(network, name, rest, target), sample, silence)
    return Explanation(cells(_over_time(found[0], name), CELLS), [], value, empty, METHOD)


def _over_time(found: Tensor, name: str) -> Array:
    """Return [frequency, time]: input_features come so, input_values as [time] or [time, frequency]."""
    array = found.double().cpu().numpy()
    if array.ndim == 1:
        return np.asarray(array[None])
    return np.asarray(array if name == "input_features" else array.T)


def cells(array: Array, most: tuple[int, int]) -> Array:
    """Sum float64 [H, W] over at most `most` cells of about the same size; float32."""
    for axis, count in enumerate(most):
        size = array.shape[axis]
        starts = np.arange(min(count, size)) * size // min(count, size)
        array = np.add.reduceat(array, starts, axis=axis)
    return array.astype(np.float32)
