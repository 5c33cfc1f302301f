"""What a training moved and what it left alone: checked, not believed."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from tasks.errors import TrainingError
from tasks.neural.networks import Network

Tensors = Mapping[str, Tensor]


def snapshot(network: Network) -> dict[str, Tensor]:
    """Return copies, on the CPU, of all weights and statistics."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in network.state_dict().items()}


def check(training: str, network: Network, before: Tensors) -> None:
    """Raise TrainingError where something moved that is frozen, or a part stood still that should have learnt.

    Parts are the head and each block that takes gradients. Compared bit by bit, statistics of batch normalisation
    included.
    """
    after, parts = snapshot(network), network.learning_parts()
    learning = {name for part in parts.values() for name in part}
    strayed = [name for name in before if name not in learning and not torch.equal(before[name], after[name])]
    if strayed:
        raise TrainingError(f"{training}: {strayed[0]} is frozen and yet changed: the model is not what it says it is")
    still = [part for part, names in parts.items() if not _moved(names, before, after)]
    if still:
        raise TrainingError(
            f"{training}: {still[0]} did not learn, not one of its weights moved; raise its learning rate"
        )


def _moved(names: Iterable[str], before: Tensors, after: Tensors) -> bool:
    return any(not torch.equal(before[name], after[name]) for name in names)


def distance(before: Tensors, after: Tensors) -> float:
    """Return how far the weights lie from where they began, over their length: |after - before| / |before|."""
    floating = [name for name, tensor in before.items() if tensor.is_floating_point()]
    moved = sum(float((after[name].cpu().double() - before[name].double()).square().sum()) for name in floating)
    length = sum(float(before[name].double().square().sum()) for name in floating)
    return float((moved / max(length, 1e-30)) ** 0.5)
