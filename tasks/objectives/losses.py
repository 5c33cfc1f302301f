"""Losses of each sample, float32 [B], from outputs [B, K], targets [B] and how sure their annotators were [B]."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from tasks.objectives import Array, Facts
from tasks.schema import CrossEntropy, Huber, SquaredError

Criterion = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Of outputs float32 [B, K], targets [B] and confidence float32 [B] in (0, 1]: the loss of each sample."""


def of_classes(settings: CrossEntropy, train: Array, facts: Facts) -> Criterion:
    """Return the cross entropy, in nats, that `settings` describe; `train` int64 [M] are the train targets.

    Class weights are M / (K * count), so that their mean over the train split is 1.
    """
    classes = len(facts["labels"])
    weights = torch.ones(classes)
    if settings.class_weights:
        counts = torch.bincount(torch.from_numpy(train), minlength=classes)
        weights = len(train) / (classes * counts.float())
    return partial(_cross_entropy, settings, weights)


def _cross_entropy(
    settings: CrossEntropy, weights: Tensor, outputs: Tensor, targets: Tensor, confidence: Tensor
) -> Tensor:
    sure = confidence if settings.unsure == "soften" else torch.ones_like(confidence)
    wanted = _shared_out(targets, sure, outputs.shape[1])
    wanted = wanted * (1 - settings.label_smoothing) + settings.label_smoothing / outputs.shape[1]
    logarithms = functional.log_softmax(outputs, dim=1)
    # Focal: what is told well already counts for less, by (1 - p) ** focal.
    focus = (1 - logarithms.exp()).clamp(min=1e-6) ** settings.focal if settings.focal else 1.0
    losses = -(wanted * focus * logarithms).sum(1) * weights.to(outputs)[targets]
    return losses * confidence if settings.unsure == "weigh" else losses


def _shared_out(targets: Tensor, confidence: Tensor, classes: int) -> Tensor:
    """Return float32 [B, K]: each sample's confidence at its class, the rest shared among the others."""
    told = functional.one_hot(targets, classes).to(confidence)
    sure = confidence[:, None]
    return told * sure + (1 - told) * (1 - sure) / (classes - 1)


def of_values(settings: SquaredError | Huber, train: Array, facts: Facts) -> Criterion:
    """Return the error in deviations of the train labels, squared or Huber's (half of it within `delta`)."""
    return partial(_error, settings, float(facts["deviation"]))


def _error(
    settings: SquaredError | Huber, deviation: float, outputs: Tensor, targets: Tensor, confidence: Tensor
) -> Tensor:
    answer, truth = outputs.squeeze(1) / deviation, targets.to(outputs) / deviation
    if settings.kind == "huber":
        losses = functional.huber_loss(answer, truth, reduction="none", delta=settings.delta)
    else:
        losses = functional.mse_loss(answer, truth, reduction="none")
    return losses * confidence if settings.unsure == "weigh" else losses
