"""Optimizers, the learning rate at each step, and the moving average of the weights."""

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor
from torch.optim import Optimizer

from tasks.neural import optimizers
from tasks.schema import Optimizer as Settings
from tasks.schema import Schedule

BASE = {"momentum": 0.8, "weight_decay": 0.1, "clip_norm": 1.0}
RATES = (1.0, 0.1)


def groups() -> list[dict[str, Any]]:
    """Two groups of one weight each; the second learns slower and does not decay."""
    weights = [torch.nn.Parameter(torch.full((2,), 4.0)) for _ in RATES]
    return [
        {"params": [weight], "lr": rate, "weight_decay": decay}
        for weight, rate, decay in zip(weights, RATES, (0.1, 0.0), strict=True)
    ]


def made(kind: str, **changes: Any) -> Optimizer:
    return optimizers.optimizer(Settings(kind=kind, **{**BASE, **changes}), groups())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "expected", "told"),
    [
        ("adam", torch.optim.Adam, {"betas": (0.8, 0.999)}),
        ("adamw", torch.optim.AdamW, {"betas": (0.8, 0.999)}),
        ("sgd", torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
    ],
)
def test_each_kind_keeps_the_groups_rates_and_decays(kind: str, expected: type, told: dict[str, Any]) -> None:
    optimizer = made(kind)
    assert type(optimizer) is expected
    assert [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups] == [(1.0, 0.1), (0.1, 0.0)]
    for group in optimizer.param_groups:
        assert {key: group[key] for key in told} == told


FIRST_STEP = {
    # A gradient of 1 at a weight of 4. Adam's first step is the sign of gradient plus decay.
    "adam": (4 - 1.0, 4 - 0.1),
    # AdamW takes lr * decay * weight off by itself.
    "adamw": (4 * (1 - 0.1) - 1.0, 4 - 0.1),
    # Nesterov: gradient + momentum * gradient, of gradient plus decay.
    "sgd": (4 - 1.8 * (1 + 0.1 * 4), 4 - 0.1 * 1.8),
}


@pytest.mark.parametrize("kind", FIRST_STEP)
def test_the_first_step_by_hand(kind: str) -> None:
    optimizer = made(kind)
    for group in optimizer.param_groups:
        group["params"][0].grad = torch.ones(2)
    optimizer.step()
    found = tuple(group["params"][0][0].item() for group in optimizer.param_groups)
    assert found == pytest.approx(FIRST_STEP[kind], rel=1e-5)


def test_sgd_without_momentum_is_plain() -> None:
    assert [group["nesterov"] for group in made("sgd", momentum=0.0).param_groups] == [False, False]


def rates(told: dict[str, Any], epochs: int, steps_an_epoch: int, kind: str = "adamw") -> list[list[float]]:
    """Return the learning rate of each group at each step."""
    optimizer = made(kind)
    settings: Schedule = TypeAdapter(Schedule).validate_python(told)
    schedule = optimizers.schedule(settings, optimizer, epochs, steps_an_epoch)
    found = []
    for _ in range(epochs * steps_an_epoch):
        found.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    return found


CYCLE: dict[str, Any] = {"kind": "one_cycle", "rise": 25, "fall": 25e4, "momentum_drop": 0.05}
COSINE = {step: 0.5 * (1 + math.cos(math.pi * (step - 2) / 8)) for step in range(2, 10)}
SCHEDULES: dict[str, tuple[dict[str, Any], dict[int, float]]] = {
    "constant": ({"kind": "constant", "warmup": 0.0}, {0: 1, 5: 1, 9: 1}),
    "constant after warm-up": ({"kind": "constant", "warmup": 0.4}, {0: 0, 1: 0.25, 3: 0.75, 4: 1, 9: 1}),
    "linear": ({"kind": "linear", "warmup": 0.0}, {0: 1, 5: 0.5, 9: 0.1}),
    "linear after warm-up": ({"kind": "linear", "warmup": 0.2}, {0: 0, 1: 0.5, 2: 1, 6: 0.5, 9: 0.125}),
    "cosine": ({"kind": "cosine", "warmup": 0.0}, {0: 1, 5: 0.5, 9: 0.5 * (1 + math.cos(math.pi * 0.9))}),
    "cosine after warm-up": ({"kind": "cosine", "warmup": 0.2}, {0: 0, 1: 0.5, **COSINE}),
    "warm-up all the way": ({"kind": "linear", "warmup": 1.0}, {0: 0, 9: 0.9}),
    "step each epoch": ({"kind": "step", "every": 1, "factor": 0.5}, {0: 1, 4: 1, 5: 0.5, 9: 0.5}),
    "step beyond the end": ({"kind": "step", "every": 3, "factor": 0.5}, {0: 1, 9: 1}),
    "one cycle": (CYCLE | {"warmup": 0.4}, {0: 1 / 25, 3: 1, 6: 0.5, 9: 1 / 25e4}),
    "one cycle from its peak": (CYCLE | {"warmup": 0.1}, {0: 1, 9: 1 / 25e4}),
    "one cycle without a fall": (CYCLE | {"warmup": 1.0}, {0: 1 / 25, 8: 0.97105}),
}
"""The share of the declared rate at some of ten steps, two epochs of five."""


@pytest.mark.parametrize("case", SCHEDULES)
def test_the_learning_rate_at_each_step(case: str) -> None:
    told, expected = SCHEDULES[case]
    found = rates(told, epochs=2, steps_an_epoch=5)
    for step, share in expected.items():
        assert found[step] == pytest.approx([share * rate for rate in RATES], rel=1e-3, abs=1e-5), f"step {step}"


@pytest.mark.parametrize("case", SCHEDULES)
def test_the_rates_of_groups_keep_their_ratio(case: str) -> None:
    for head, backbone in rates(SCHEDULES[case][0], epochs=2, steps_an_epoch=5):
        assert backbone == pytest.approx(head / 10)


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("kind", ["linear", "cosine", "constant", "one_cycle"])
@pytest.mark.parametrize("steps", [1, 2, 4, 10])
def test_no_length_and_no_warm_up_is_too_much_for_a_schedule(kind: str, warmup: float, steps: int) -> None:
    own = CYCLE if kind == "one_cycle" else {"kind": kind}
    found = rates(own | {"warmup": warmup}, epochs=1, steps_an_epoch=steps)
    assert all(0 <= rate <= 1.0001 for step in found for rate in step)


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_one_cycle_moves_momentum_the_other_way(kind: str) -> None:
    optimizer = made(kind)
    settings: Schedule = TypeAdapter(Schedule).validate_python(CYCLE | {"warmup": 0.5})
    schedule, seen = optimizers.schedule(settings, optimizer, 1, 10), []
    for _ in range(10):
        group = optimizer.param_groups[0]
        seen.append((group["lr"], group["momentum"] if kind == "sgd" else group["betas"][0]))
        optimizer.step()
        schedule.step()
    by_rate = sorted(seen)
    assert all(later[1] <= earlier[1] for earlier, later in pairwise(by_rate))
    assert by_rate[-1][1] == pytest.approx(0.75) and max(momentum for _, momentum in seen) == pytest.approx(0.8)


def test_the_average_by_hand() -> None:
    weight, count = torch.tensor([0.0, 10.0]), torch.tensor([1.0])
    average = optimizers.Average({"weight": weight, "count": count}, decay=0.5)
    weight += 11  # step 1: the decay is (1 + 1) / (10 + 1), below 0.5
    average.update({"weight": weight, "count": count})
    assert average.tensors["weight"].tolist() == pytest.approx([9.0, 19.0])
    average.step = 100  # far on the declared decay is in force
    weight += 1
    average.update({"weight": weight, "count": count})
    assert average.tensors["weight"].tolist() == pytest.approx([(9 + 12) / 2, (19 + 22) / 2])
    assert average.tensors["count"].tolist() == [1.0] and average.step == 101


def test_the_average_keeps_its_own_tensors() -> None:
    weights = {"weight": torch.tensor([1.0])}
    average = optimizers.Average(weights, decay=0.9)
    weights["weight"] += 5
    assert average.tensors["weight"].tolist() == [1.0] and weights["weight"].tolist() == [6.0]


def after(decay: float, steps: int) -> Tensor:
    """Return the average of a weight that is 1 from the first step on, having been 0."""
    average = optimizers.Average({"weight": torch.zeros(1)}, decay)
    for _ in range(steps):
        average.update({"weight": torch.ones(1)})
    return average.tensors["weight"]


def test_the_starting_point_is_soon_forgotten() -> None:
    assert after(0.999, 10) > 0.98
    assert after(0.999, 10) == after(0.99, 10), "early on the declared decay is not yet reached"
