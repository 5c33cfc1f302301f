"""Optimizers and their schedules, as params.yaml declares them, and the moving average of the weights."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, StepLR
from transformers import get_scheduler

from tasks.schema import OneCycleSchedule, Schedule, StepSchedule
from tasks.schema import Optimizer as Settings

BETA_2 = 0.999
"""Of Adam, as in its paper."""
JUST_BELOW = 1 - 1e-6
"""Of a warm-up: torch divides by nought where one ends on the very first or last step."""


def optimizer(settings: Settings, groups: list[dict[str, Any]]) -> Optimizer:
    """Return the optimizer of these parameter groups, each with its own `lr` and `weight_decay`."""
    if settings.kind == "sgd":
        return torch.optim.SGD(groups, momentum=settings.momentum, nesterov=settings.momentum > 0)
    kind = torch.optim.Adam if settings.kind == "adam" else torch.optim.AdamW
    return kind(groups, betas=(settings.momentum, BETA_2), fused=True)


def schedule(settings: Schedule, optimizer: Optimizer, epochs: int, steps_an_epoch: int) -> LRScheduler:
    """Return what sets the learning rates at each of the `epochs` * `steps_an_epoch` steps."""
    steps = epochs * steps_an_epoch
    if isinstance(settings, OneCycleSchedule):
        peaks, momentum = [group["lr"] for group in optimizer.param_groups], _momentum(optimizer)
        return OneCycleLR(
            optimizer,
            peaks,
            total_steps=steps,
            pct_start=settings.warmup * JUST_BELOW,
            cycle_momentum=momentum > 0,
            base_momentum=momentum - settings.momentum_drop,
            max_momentum=momentum,
            div_factor=settings.rise,
            final_div_factor=settings.fall / settings.rise,
        )
    if isinstance(settings, StepSchedule):
        return StepLR(optimizer, settings.every * steps_an_epoch, settings.factor)
    kind = "constant_with_warmup" if settings.kind == "constant" else settings.kind
    smooth: LRScheduler = get_scheduler(kind, optimizer, round(settings.warmup * steps), steps)
    return smooth


def _momentum(optimizer: Optimizer) -> float:
    group = optimizer.param_groups[0]
    return float(group["betas"][0] if "betas" in group else group["momentum"])


class Average:
    """The exponential moving average of some tensors.

    Early on it forgets faster, by (1 + step) / (10 + step), so that it is not the starting point for long (as in
    TensorFlow's ExponentialMovingAverage).
    """

    def __init__(self, tensors: Mapping[str, Tensor], decay: float) -> None:
        self.decay, self.step = decay, 0
        self.tensors = {name: tensor.detach().clone() for name, tensor in tensors.items()}

    def update(self, tensors: Mapping[str, Tensor]) -> None:
        """Move the average towards the tensors as they are after another step."""
        self.step += 1
        weight = 1 - min(self.decay, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.tensors.values()), [tensors[name].detach() for name in self.tensors], weight)

    def state(self) -> dict[str, Any]:
        """Return all that the rest of the average depends on."""
        return {"step": self.step, "tensors": self.tensors}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to where `state` was taken; each tensor stays on its device."""
        self.step = state["step"]
        for name, tensor in self.tensors.items():
            tensor.copy_(state["tensors"][name])
