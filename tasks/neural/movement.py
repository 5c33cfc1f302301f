"""What a training moved and what it left alone: checked, not believed."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from tasks.errors import TrainingError
from tasks.neural.networks import Network

Tensors = Mapping[str, Tensor]
STILL = 1e-12
"""A distance that is none: far below what float32 tells apart in a weight, unless it begins at nought."""


def snapshot(network: Network) -> dict[str, Tensor]:
    """Return copies, on the CPU, of all weights and statistics."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in network.state_dict().items()}


def check(training: str, network: Network, before: Tensors) -> None:
    """Raise TrainingError where something moved that is frozen, or a part stood still that should have learnt.

    Parts are the head and each block that takes gradients. What is frozen is compared bit by bit, statistics of batch
    normalisation included. What learns must go further than a weight that begins at nought is pushed by any rate.
    """
    after, parts = snapshot(network), network.learning_parts()
    learning = {name for part in parts.values() for name in part}
    strayed = [name for name in before if name not in learning and not torch.equal(before[name], after[name])]
    if strayed:
        raise TrainingError(f"{training}: {strayed[0]} is frozen and yet changed: the model is not what it says it is")
    still = [part for part, names in parts.items() if not _moved(names, before, after)]
    if still:
        raise TrainingError(
            f"{training}: {still[0]} did not learn, its weights stayed where they were; raise its learning rate"
        )


def _moved(names: Iterable[str], before: Tensors, after: Tensors) -> bool:
    kept = [name for name in names if name in before]
    return distance({name: before[name] for name in kept}, after) > STILL


def distance(before: Tensors, after: Tensors) -> float:
    """Return how far the weights lie from where they began, over their length: |after - before| / |before|."""
    floating = [name for name, tensor in before.items() if tensor.is_floating_point()]
    moved = sum(float((after[name].cpu().double() - before[name].double()).square().sum()) for name in floating)
    length = sum(float(before[name].double().square().sum()) for name in floating)
    return float((moved / max(length, 1e-30)) ** 0.5)
