"""Pictures: which places of the last stage's map spoke for the answer.

Of a convolutional network Grad-CAM (arXiv:1610.02391). Tokens have no map to average gradients over: there each
place counts by gradient times activation, as in HiResCAM (arXiv:2011.08891), of what the picture changes against an
empty one of the mean colour: to first order what the answer would lose without the place. This is taken behind the
first normalisation of the last block. In front of one, gradient and activation are orthogonal whatever the picture,
for a normalisation does not see lengths.
"""

import re
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tasks.explaining import Explanation
from tasks.explaining.asked import score
from tasks.modalities import Batch
from tasks.neural.networks import Network
from tasks.objectives import Array

OF_MAPS = "Grad-CAM on the last stage"
OF_TOKENS = "gradient times activation of the last block's tokens, against an empty picture"


def explain(network: Network, batch: Batch, directory: Path, target: int | None) -> Explanation:
    """Return the map [rows, columns] of the last stage, nothing below nought; the picture as it is, not mirrored."""
    flips, network.flips = network.flips, ()
    pixels = batch["pixel_values"].clone().requires_grad_()
    try:
        found, method = _relevance(network, pixels, target)
        with torch.no_grad():
            value = float(score(network(pixel_values=pixels), target))
    finally:
        network.flips = flips
    return Explanation(found, [], value, None, method)


def _relevance(network: Network, pixels: Tensor, target: int | None) -> tuple[Array, str]:
    """Return the map, and by which method it was found."""
    from captum.attr import LayerActivation, LayerGradCam, LayerGradientXActivation

    def ask(varied: Tensor) -> Tensor:
        return score(network(pixel_values=varied), target)

    stage = last_stage(network)
    shape = _first(LayerActivation(ask, stage).attribute(pixels)).shape
    if len(shape) == 4 and shape[2] == shape[3]:
        found, method = _first(LayerGradCam(ask, stage).attribute(pixels))[0, 0], OF_MAPS
    else:
        normalised = next((module for module in stage.modules() if isinstance(module, nn.LayerNorm)), stage)
        slopes = LayerGradientXActivation(ask, normalised, multiply_by_inputs=False).attribute(pixels)
        held, empty = (_first(LayerActivation(ask, normalised).attribute(one)) for one in (pixels, pixels * 0))
        found = (_first(slopes) * (held - empty))[0].sum(dim=-1)
        found, method = _square(found) if found.ndim == 1 else found, OF_TOKENS
    return np.asarray(found.detach().relu().float().cpu().numpy()), method


def last_stage(network: Network) -> nn.Module:
    """Return the last of the network's stages or blocks: timm names them, other families by their parts."""
    base: nn.Module = network.trunk.get_submodule(network.parts.base)
    told = getattr(base, "feature_info", None)
    if told:
        return base.get_submodule(str(told[-1]["module"]))
    pattern = re.compile(network.parts.blocks)
    found: list[nn.Module] = [module for name, module in base.named_modules() if pattern.fullmatch(name)]
    return found[-1]


def _square(tokens: Tensor) -> Tensor:
    """Lay the tokens [T] of a square picture out [S, S]; those before them stand for no place."""
    side = isqrt(len(tokens))
    return tokens[len(tokens) - side * side :].reshape(side, side)


def _first(found: Any) -> Tensor:
    """Return the tensor, or the first where a module answers with several."""
    tensor: Tensor = found[0] if isinstance(found, tuple) else found
    return tensor
