"""What a training moves and what it leaves alone, to the bit; which blocks join in when."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lessons
import pytest
import torch

from tasks.errors import TrainingError
from tasks.neural import movement
from tasks.neural.learning import Ground
from tasks.neural.networks import Network
from tasks.schema import DeepTraining

GroundOf = Callable[[str], Ground]


def moved(ground: Ground, params: DeepTraining[Any], scratch: Path) -> tuple[set[str], Network]:
    """Return the names of the tensors that differ after the last epoch, and the network as it is then."""
    before = movement.snapshot(lessons.network(ground))
    seen: dict[int, set[str]] = {}

    def listen(network: Network, epoch: int) -> None:
        seen[epoch] = lessons.differing(before, movement.snapshot(network))

    network, _ = lessons.fit(ground, params, scratch, listen)
    assert seen[0] == set()
    return seen[max(seen)], network


@pytest.mark.parametrize("reads", lessons.MODALITIES)
def test_frozen_means_frozen(ground: GroundOf, tmp_path: Path, reads: str) -> None:
    changed, network = moved(ground(reads), lessons.training(reads, "partial", blocks=1), tmp_path)
    allowed = {f"trunk.{name}" for name in network.blocks[-1]} | {"head.weight", "head.bias"}
    assert changed <= allowed
    assert "head.weight" in changed and changed & {f"trunk.{name}" for name in network.blocks[-1]}


def test_under_full_all_weights_move_and_no_statistics(ground: GroundOf, tmp_path: Path) -> None:
    changed, network = moved(ground("image"), lessons.training("image", "full"), tmp_path)
    assert {f"trunk.{name}" for block in network.blocks for name in block} <= changed
    statistics = {name for name in network.state_dict() if "running" in name or "tracked" in name}
    assert statistics and not statistics & changed


def test_under_scratch_statistics_move_too(ground: GroundOf, tmp_path: Path) -> None:
    changed, network = moved(ground("image"), lessons.training("image", "scratch"), tmp_path)
    assert {name for name in network.state_dict() if "running" in name or "tracked" in name} <= changed


def test_a_frozen_weight_that_was_changed_is_told(ground: GroundOf, tmp_path: Path) -> None:
    def meddle(network: Network, epoch: int) -> None:
        if epoch == 1:
            network.trunk.get_parameter(network.blocks[0][0]).data[0] += 1e-6

    with pytest.raises(TrainingError, match=r"lesson: trunk\.embeddings\.word_embeddings\.weight is frozen and yet"):
        lessons.fit(ground("text"), lessons.training("text", "partial", blocks=1), tmp_path, meddle)


STANDING = {
    "partial": ("partial", {"head": 1e-30, "backbone": 0.01}, "the head"),
    "full": ("full", {"head": 0.01, "backbone": 1e-30}, "block 0"),
    "decay to nothing": ("full", {"head": 0.01, "backbone": 0.01, "decay": 1e-30}, "block 0"),
    "lora": ("lora", {"head": 0.01, "backbone": 1e-30}, "block 1"),
}


@pytest.mark.parametrize("case", STANDING)
def test_a_part_that_stood_still_is_told(ground: GroundOf, tmp_path: Path, case: str) -> None:
    strategy, rates, part = STANDING[case]
    params = lessons.training("text", strategy, learning_rates=rates)
    with pytest.raises(TrainingError, match=f"lesson: {part} did not learn.*raise its learning rate"):
        lessons.fit(ground("text"), params, tmp_path)


def test_what_moved_little_has_moved(ground: GroundOf, tmp_path: Path) -> None:
    rates = {"head": 1e-6, "backbone": 1e-6}
    network, _ = lessons.fit(ground("text"), lessons.training("text", "lora", learning_rates=rates), tmp_path)
    assert network.learning_parts().keys() == {"the head", "block 1", "block 2"}


def test_distance_is_relative_to_the_length_of_the_weights() -> None:
    before = {"weight": torch.tensor([3.0, 0.0]), "bias": torch.tensor([4.0]), "count": torch.tensor(7)}
    after = {"weight": torch.tensor([3.0, 0.3]), "bias": torch.tensor([4.4]), "count": torch.tensor(9)}
    assert movement.distance(before, after) == pytest.approx(0.5 / 5, rel=1e-6)
    assert movement.distance(before, before) == 0


GRADUAL = {
    "all, one each epoch": ("full", {"unfreeze_every": 1}, [{2}, {1, 2}, {0, 1, 2}, {0, 1, 2}]),
    "all, one in two epochs": ("full", {"unfreeze_every": 2}, [{2}, {2}, {1, 2}, {1, 2}]),
    "two at most": ("partial", {"unfreeze_every": 1, "blocks": 2}, [{2}, {1, 2}, {1, 2}, {1, 2}]),
    "adapters": ("lora", {"unfreeze_every": 2}, [{2}, {2}, {1, 2}, {1, 2}]),
    "all at once": ("full", {"unfreeze_every": None}, [{0, 1, 2}] * 4),
}
"""Which of three blocks learn in the epochs 1 to 4."""


@pytest.mark.parametrize("case", GRADUAL)
def test_blocks_join_in_one_after_the_other(ground: GroundOf, tmp_path: Path, case: str) -> None:
    strategy, changes, expected = GRADUAL[case]
    last: dict[str, torch.Tensor] = {}
    taking: list[set[int]] = []
    moving: list[set[int]] = []

    def listen(network: Network, epoch: int) -> None:
        after = movement.snapshot(network)
        changed = lessons.differing(last, after) if last else set()
        last.update(after)
        parameters = dict(network.trunk.named_parameters())
        taking.append({n for n, names in enumerate(network.blocks) if any(parameters[k].requires_grad for k in names)})
        moving.append({n for n, names in enumerate(network.blocks) if any(f"trunk.{k}" in changed for k in names)})

    lessons.fit(
        ground("text"),
        lessons.training("text", strategy, epochs=4, patience=4, **changes, **lessons.CALM),
        tmp_path,
        listen,
    )
    assert taking[1:] == moving[1:] == expected
