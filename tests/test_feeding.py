"""What a network is fed: the same for the same epoch, every sample once, mixed with others where declared."""

from collections.abc import Callable
from typing import Any

import lessons
import numpy as np
import pytest
import torch
from torch.nn import functional

from tasks.neural import feeding
from tasks.neural.feeding import Portion, portions
from tasks.neural.learning import Ground

GroundOf = Callable[[str], Ground]


def batches(ground: Ground, epoch: int, seed: int = 3, **augment: Any) -> list[Portion]:
    params = lessons.training(ground.prepared.about["modality"], augment=augment)
    return list(portions(lessons.material(ground), 5, params.augment, seed, epoch))


def same(one: list[Portion], other: list[Portion]) -> bool:
    pairs = list(zip(one, other, strict=True))
    rows = all(np.array_equal(a.rows, b.rows) for a, b in pairs)
    return rows and all(a.inputs[k].equal(b.inputs[k]) for a, b in pairs for k in a.inputs)


@pytest.mark.parametrize("reads", lessons.MODALITIES)
def test_an_epoch_is_fed_the_same_however_often_it_is_begun(ground: GroundOf, reads: str) -> None:
    first = batches(ground(reads), epoch=1)
    assert same(first, batches(ground(reads), epoch=1))
    assert not same(first, batches(ground(reads), epoch=2))
    assert not same(first, batches(ground(reads), epoch=1, seed=4))
    assert sorted(np.concatenate([portion.rows for portion in first])) == lessons.TRAIN.tolist()
    assert [len(portion.rows) for portion in first] == [5, 5, 2]


def test_a_batch_carries_its_samples_targets_and_how_sure_they_are(ground: GroundOf) -> None:
    for portion in batches(ground("text"), epoch=1):
        labels = ground("text").prepared.samples["label"].iloc[portion.rows]
        assert [sorted(lessons.LABELS)[k] for k in portion.targets.tolist()] == labels.tolist()
        sure = [2 / 3 if row == lessons.UNSURE else 1 for row in portion.rows]
        assert portion.confidence.tolist() == pytest.approx(sure) and portion.confidence.dtype == torch.float32
        assert portion.partners is None and portion.share == 1


@pytest.mark.parametrize("reads", ["image", "audio"])
def test_samples_are_mixed_with_others_of_their_batch(ground: GroundOf, reads: str) -> None:
    (name,) = batches(ground(reads), epoch=1)[0].inputs
    shares = []
    for epoch in range(1, 9):
        # The first batch draws its mix last of all: without it, it is the same.
        plain, mixed = (batches(ground(reads), epoch, mix_up=alpha)[0] for alpha in (0.0, 0.4))
        assert mixed.partners is not None and sorted(mixed.partners.tolist()) == list(range(5))
        wanted = plain.inputs[name] * mixed.share + plain.inputs[name][mixed.partners] * (1 - mixed.share)
        assert torch.allclose(mixed.inputs[name], wanted) and mixed.inputs[name].dtype == torch.float32
        assert np.array_equal(plain.rows, mixed.rows) and torch.equal(plain.targets, mixed.targets)
        shares.append(mixed.share)
    assert all(0 <= share <= 1 for share in shares) and len(set(shares)) == 8


def test_a_mixed_sample_counts_for_both_of_its_labels(ground: GroundOf) -> None:
    plain = {"label_smoothing": 0.0, "class_weights": False, "unsure": "ignore"}
    made = lessons.fitting(ground("image"), lessons.training("image", loss=plain, dropout=0.0))
    made.network.eval()
    fed = (portion for epoch in range(1, 30) for portion in batches(ground("image"), epoch))
    portion = next(portion for portion in fed if 0.3 < portion.share < 0.7 and len(portion.rows) == 5)
    assert portion.partners is not None
    assert not torch.equal(portion.targets, portion.targets[portion.partners])
    with torch.no_grad():
        found, outputs = made._losses(portion), made.network(**portion.inputs)
    own, other = (
        functional.cross_entropy(outputs, targets, reduction="none")
        for targets in (portion.targets, portion.targets[portion.partners])
    )
    assert torch.allclose(found, own * portion.share + other * (1 - portion.share), atol=1e-6)


@pytest.mark.parametrize(
    ("count", "size", "sizes"),
    [(8, 4, [4, 4]), (10, 4, [4, 4, 2]), (9, 4, [4, 5]), (1, 4, [1]), (3, 1, [1, 1, 1]), (5, 4, [5])],
)
def test_a_single_sample_left_over_joins_the_batch_before(count: int, size: int, sizes: list[int]) -> None:
    cut = feeding.batches(range(count), size)
    assert [len(batch) for batch in cut] == sizes
    assert [place for batch in cut for place in batch] == list(range(count))
