"""Pictures: which places of the last stage's map spoke for the answer.

Of a convolutional network Grad-CAM (arXiv:1610.02391). Tokens have no map to average gradients over: there each
place counts by gradient times activation, as in HiResCAM (arXiv:2011.08891), behind the last block but one.
"""

import re
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tasks.explaining import Explanation, score
from tasks.modalities import Batch
from tasks.neural.networks import Network
from tasks.objectives import Array

METHOD = "Grad-CAM on the last stage, or gradient times activation where that holds tokens"


def explain(network: Network, batch: Batch, directory: Path, target: int | None) -> Explanation:
    """Return the map [rows, columns] of the last stage, nothing below nought; the picture as it is, not mirrored."""
    flips, network.flips = network.flips, ()
    pixels = batch["pixel_values"].clone().requires_grad_()
    try:
        found = _relevance(network, pixels, target)
        with torch.no_grad():
            value = float(score(network(pixel_values=pixels), target))
    finally:
        network.flips = flips
    return Explanation(found, [], value, None)


def _relevance(network: Network, pixels: Tensor, target: int | None) -> Array:
    from captum.attr import LayerActivation, LayerGradCam, LayerGradientXActivation

    def ask(varied: Tensor) -> Tensor:
        return score(network(pixel_values=varied), target)

    found_stages = stages(network)
    shape = _first(LayerActivation(ask, found_stages[-1]).attribute(pixels)).shape
    if len(shape) == 4 and shape[2] == shape[3]:
        found = _first(LayerGradCam(ask, found_stages[-1]).attribute(pixels))[0, 0]
    else:
        # Where one token answers for all, behind the last block the others have no say any more.
        tokens = len(shape) == 3
        stage = found_stages[-2] if tokens and len(found_stages) > 1 else found_stages[-1]
        found = _first(LayerGradientXActivation(ask, stage).attribute(pixels))[0].sum(dim=-1)
        found = _square(found) if tokens else found
    return np.asarray(found.detach().relu().float().cpu().numpy())


def stages(network: Network) -> list[nn.Module]:
    """Return the network's stages or blocks, first to last: timm names them, other families by their parts."""
    base: nn.Module = network.trunk.get_submodule(network.parts.base)
    told = getattr(base, "feature_info", None)
    if told:
        return [base.get_submodule(one["module"]) for one in told]
    pattern = re.compile(network.parts.blocks)
    return [module for name, module in base.named_modules() if pattern.fullmatch(name)]


def _square(tokens: Tensor) -> Tensor:
    """Lay the tokens [T] of a square picture out [S, S]; those before them stand for no place."""
    side = isqrt(len(tokens))
    return tokens[len(tokens) - side * side :].reshape(side, side)


def _first(found: Any) -> Tensor:
    """Return the tensor, or the first where a module answers with several."""
    tensor: Tensor = found[0] if isinstance(found, tuple) else found
    return tensor
