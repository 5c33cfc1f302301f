"""Folds batch normalisation that stands still into the convolution before it: one pass over the data instead of two.

As Jacob et al. do (arXiv:1712.05877, section 3.2). The answers stay the network's up to rounding.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights

from tasks.modalities import Batch

if TYPE_CHECKING:
    from tasks.neural.networks import Network

TOLERANCE = 1e-3
"""How far the folded network's features may be from its own, in lengths of theirs, when it is tried out."""
Pair = tuple[nn.Conv2d, _BatchNorm]


def find(network: "Network", example: Callable[[], Batch]) -> None:
    """Let `network.foldable` tell which convolutions feed a batch normalisation and nothing else, unless it does.

    The network is watched while it answers a batch, `example`, and must answer alike once they are folded.
    """
    if network.foldable is not None:
        return
    mode, network.foldable = network.training, []
    if any(isinstance(module, _BatchNorm) for module in network.modules()):
        device = next(network.parameters()).device
        ask = partial(network.features, **{name: tensor.to(device) for name, tensor in example().items()})
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            network.eval()
            network.foldable, whole = _watched(network, ask)
            with folded(network):
                alike = (ask() - whole).norm() <= TOLERANCE * whole.norm()
            network.train(mode)
        network.foldable = network.foldable if alike else []


def _watched(network: "Network", ask: Callable[[], Tensor]) -> tuple[list[Pair], Tensor]:
    """Return the pairs, each part of which is used once, and what the network answered."""
    made: list[tuple[nn.Conv2d, Tensor]] = []
    read: list[tuple[_BatchNorm, Tensor]] = []

    def convolved(module: nn.Conv2d, _inputs: Any, output: Tensor) -> None:
        made.append((module, output))

    def normalised(module: _BatchNorm, inputs: tuple[Tensor]) -> None:
        read.append((module, inputs[0]))

    with ExitStack() as stack:
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                stack.enter_context(_removed(module.register_forward_hook(convolved)))
            elif isinstance(module, _BatchNorm):
                stack.enter_context(_removed(module.register_forward_pre_hook(normalised)))
        answer = ask()
    pairs = [(one, other) for one, output in made for other, told in read if told is output]
    used = [module for pair in pairs for module in pair]
    return [pair for pair in pairs if used.count(pair[0]) == used.count(pair[1]) == 1], answer


@contextmanager
def _removed(handle: Any) -> Iterator[None]:
    yield
    handle.remove()


@contextmanager
def folded(network: "Network", frozen: bool = False) -> Iterator[None]:
    """Fold what is foldable and, where `frozen`, takes no gradient; afterwards all is as it was, to the bit."""
    with ExitStack() as stack:
        for convolution, normalisation in network.foldable or ():
            known = normalisation.running_mean is not None and "forward" not in vars(normalisation)
            learns = any(one.requires_grad for one in (*convolution.parameters(), *normalisation.parameters()))
            if known and not normalisation.training and not (frozen and learns):
                stack.enter_context(_one(convolution, normalisation))
        yield


@contextmanager
def _one(convolution: Any, normalisation: Any) -> Iterator[None]:
    own = dict(convolution._parameters)
    weight, bias = fuse_conv_bn_weights(
        own["weight"],
        own["bias"],
        normalisation.running_mean,
        normalisation.running_var,
        normalisation.eps,
        normalisation.weight,
        normalisation.bias,
    )
    convolution._parameters |= {"weight": weight, "bias": bias}
    normalisation.forward = partial(_rest, normalisation)
    try:
        yield
    finally:
        convolution._parameters |= own
        del normalisation.forward


def _rest(normalisation: Any, inputs: Tensor) -> Tensor:
    """Do what timm's batch normalisation does besides: it holds the activation."""
    for name in ("drop", "act"):
        inputs = getattr(normalisation, name, nn.Identity())(inputs)
    return inputs
