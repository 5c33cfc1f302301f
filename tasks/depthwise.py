"""Makes large depthwise convolutions learn in float32 where all else computes in bfloat16, on CPUs.

oneDNN has no fast bfloat16 backward pass for them: for 672 channels, kernel 5, stride 2 it takes 14 times as long
as in float32. With this, a training step of EfficientNet-Lite0's last three stages takes 0.62 of the time.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

SMALL = 3
"""Kernels up to this side are as fast in bfloat16."""


def learn_in_float32(model: nn.Module) -> None:
    """Change the large depthwise convolutions of `model` in place; parameters keep names, values and layout."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and _is_large_depthwise(module):
            module.forward = partial(_forward, module, module.forward)  # type: ignore[method-assign]


def _is_large_depthwise(module: nn.Conv2d) -> bool:
    return module.groups == module.in_channels > 1 and max(module.kernel_size) > SMALL


def _forward(module: nn.Conv2d, stock: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """Convolve in float32 if a gradient will be asked for, and hand on what autocast would have."""
    learns = torch.is_grad_enabled() and module.weight.requires_grad
    if not (learns and inputs.device.type == "cpu" and torch.is_autocast_enabled("cpu")):
        return stock(inputs)
    with torch.autocast("cpu", enabled=False):
        outputs = stock(inputs.float())
    return outputs.to(torch.get_autocast_dtype("cpu"))
