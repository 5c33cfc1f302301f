"""Integrated gradients (arXiv:1703.01365): parts that add up to what the sample changes against an empty one."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tasks.explaining.asked import score
from tasks.neural.networks import Network

STEPS = 32
"""Points of the Gauss-Legendre quadrature between the empty sample and the sample."""
NUMBERS_AT_ONCE = 2**20
"""How many numbers of them are computed together, so that a long recording fits in memory."""


def parts(ask: Callable[[Tensor], Tensor], sample: Tensor, nothing: Tensor) -> tuple[Tensor, float, float]:
    """Return the part of each number of `sample` [1, ...], and what `ask` [B] says of it and of `nothing`."""
    from captum.attr import IntegratedGradients

    together = max(1, min(STEPS, NUMBERS_AT_ONCE // sample.numel()))
    found = IntegratedGradients(ask).attribute(sample, nothing, n_steps=STEPS, internal_batch_size=together)
    with torch.no_grad():
        value, empty = (float(ask(one)) for one in (sample, nothing))
    return found.detach(), value, empty


def asking(network: Network, name: str, rest: dict[str, Tensor], target: int | None) -> Callable[[Tensor], Tensor]:
    """Return what asks `network` with many tensors in the place of the input `name`, the `rest` always the same."""

    def ask(varied: Tensor) -> Tensor:
        inputs: dict[str, Any] = {key: one.expand(len(varied), *one.shape[1:]) for key, one in rest.items()}
        return score(network(**{name: varied}, **inputs), target)

    return ask
