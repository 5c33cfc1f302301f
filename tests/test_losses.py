"""Losses: each one by hand or as torch computes it, one number per sample, and going down when followed."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tasks.objectives import classification, losses, regression
from tasks.schema import CrossEntropy, Huber, Loss, SquaredError

FOUR = {"labels": ["a", "b", "c", "d"]}
VALUES = {"mean": 1.0, "deviation": 2.0}
TRAIN = np.array([0, 0, 0, 0, 1, 1, 2, 3])
PLAIN: dict[str, Any] = {"label_smoothing": 0.0, "focal": 0.0, "class_weights": False, "unsure": "ignore"}
SURE = torch.ones(8)


def of_classes(**changes: Any) -> losses.Criterion:
    """The cross entropy of four classes, with changes."""
    return losses.of_classes(CrossEntropy(kind="cross_entropy", **{**PLAIN, **changes}), TRAIN, FOUR)


@pytest.fixture
def outputs() -> Tensor:
    return torch.randn(8, 4, generator=torch.Generator().manual_seed(0)) * 2


TARGETS = torch.from_numpy(TRAIN)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_cross_entropy_is_torch_s_own(outputs: Tensor, smoothing: float) -> None:
    found = of_classes(label_smoothing=smoothing)(outputs, TARGETS, SURE)
    theirs = functional.cross_entropy(outputs, TARGETS, reduction="none", label_smoothing=smoothing)
    assert found.shape == (8,) and found.dtype == torch.float32
    assert torch.allclose(found, theirs, atol=1e-6)


def test_class_weights_let_every_class_count_alike(outputs: Tensor) -> None:
    found = of_classes(class_weights=True)(outputs, TARGETS, SURE)
    weights = torch.tensor([8 / (4 * 4), 8 / (4 * 2), 8 / (4 * 1), 8 / (4 * 1)])
    theirs = functional.cross_entropy(outputs, TARGETS, weight=weights, reduction="none")
    assert torch.allclose(found, theirs, atol=1e-6)
    assert float(weights[TARGETS].mean()) == 1
    shares = [float(weights[TARGETS][label == TARGETS].sum()) for label in range(4)]
    assert shares == [2, 2, 2, 2]


def test_focal_nought_is_plain_and_focal_two_is_the_paper_s(outputs: Tensor) -> None:
    plain, focal = (of_classes(focal=exponent)(outputs, TARGETS, SURE) for exponent in (0.0, 2.0))
    assert torch.equal(plain, of_classes()(outputs, TARGETS, SURE))
    told = outputs.softmax(1)[torch.arange(8), TARGETS]
    assert torch.allclose(focal, -((1 - told) ** 2) * told.log(), atol=1e-6)


@pytest.mark.parametrize("focal", [0.5, 2.0])
def test_a_sample_told_perfectly_has_a_finite_focal_gradient(focal: float) -> None:
    certain = torch.tensor([[60.0, 0.0, 0.0, 0.0]], requires_grad=True)
    of_classes(focal=focal)(certain, torch.tensor([0]), torch.ones(1)).sum().backward()
    assert certain.grad is not None and torch.isfinite(certain.grad).all()


UNSURE = {
    "ignore": lambda logs, sure: -logs[1],
    "soften": lambda logs, sure: -(sure * logs[1] + (1 - sure) / 3 * (logs[0] + logs[2] + logs[3])),
    "weigh": lambda logs, sure: -sure * logs[1],
}


@pytest.mark.parametrize("unsure", UNSURE)
@pytest.mark.parametrize("sure", [2 / 3, 1.0])
def test_what_an_unsure_sample_counts_by_hand(outputs: Tensor, unsure: str, sure: float) -> None:
    found = of_classes(unsure=unsure)(outputs[:1], torch.tensor([1]), torch.tensor([sure]))
    logs = outputs[0].double().log_softmax(0)
    assert float(found) == pytest.approx(float(UNSURE[unsure](logs, sure)), rel=1e-5)


def test_a_softened_target_is_learnt_as_it_is() -> None:
    """The least loss of a target of 2/3, 1/9, 1/9, 1/9 is its entropy."""
    target = torch.tensor([2 / 3, 1 / 9, 1 / 9, 1 / 9])
    best = of_classes(unsure="soften")(target.log()[None], torch.tensor([0]), torch.tensor([2 / 3]))
    assert float(best) == pytest.approx(-float((target * target.log()).sum()), rel=1e-6)


def test_two_classes_share_what_is_unsure_with_the_other_one() -> None:
    settings = CrossEntropy(kind="cross_entropy", **{**PLAIN, "unsure": "soften"})
    criterion = losses.of_classes(settings, np.array([0, 1]), {"labels": ["a", "b"]})
    found = criterion(torch.tensor([[0.0, 2.0]]), torch.tensor([0]), torch.tensor([0.75]))
    told = math.log(1 + math.exp(2))
    assert float(found) == pytest.approx(0.75 * told + 0.25 * (told - 2), rel=1e-6)


VALUED = {
    "squared": (SquaredError(kind="squared_error", unsure="ignore"), [0.0, 1.0, 9.0]),
    "huber": (Huber(kind="huber", delta=1.0, unsure="ignore"), [0.0, 0.5, 1 * (3 - 0.5)]),
    "wide huber": (Huber(kind="huber", delta=2.0, unsure="ignore"), [0.0, 0.5, 2 * (3 - 1)]),
    "weighed": (SquaredError(kind="squared_error", unsure="weigh"), [0.0, 0.5, 9.0]),
    "weighed huber": (Huber(kind="huber", delta=1.0, unsure="weigh"), [0.0, 0.25, 2.5]),
}
"""Of answers that are off by 0, 2 and 6 where the deviation is 2, the second one half sure."""


@pytest.mark.parametrize("case", VALUED)
def test_errors_of_values_are_counted_in_deviations(case: str) -> None:
    settings, expected = VALUED[case]
    criterion = losses.of_values(settings, np.float32([0, 4]), VALUES)
    answers, truth = torch.tensor([[5.0], [7.0], [-1.0]]), torch.tensor([5.0, 5.0, 5.0])
    found = criterion(answers, truth, torch.tensor([1.0, 0.5, 1.0]))
    assert found.dtype == torch.float32
    assert found.tolist() == pytest.approx(expected)


CLASSES = [{}, {"label_smoothing": 0.1}, {"focal": 2.0}, {"class_weights": True}, {"unsure": "soften"}]
DECLARED: list[Loss] = [
    *(CrossEntropy(kind="cross_entropy", **{**PLAIN, **changes}) for changes in (*CLASSES, {"unsure": "weigh"})),
    *(settings for settings, _ in VALUED.values()),
]


@pytest.mark.parametrize("settings", DECLARED, ids=str)
def test_every_declared_loss_goes_down_when_its_gradient_is_followed(settings: Loss) -> None:
    classes = isinstance(settings, CrossEntropy)
    targets = TARGETS if classes else TARGETS.float()
    objective, facts = (classification, FOUR) if classes else (regression, VALUES)
    criterion = objective.criterion(settings, targets.numpy(), facts)
    answers = torch.zeros(8, 4 if classes else 1, requires_grad=True)
    optimizer, seen = torch.optim.SGD([answers], lr=0.5), []
    for _ in range(30):
        optimizer.zero_grad()
        loss = criterion(answers, targets, torch.linspace(0.5, 1, 8)).mean()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    assert all(later < earlier for earlier, later in pairwise(seen))
    assert seen[-1] < 0.9 * seen[0]
