"""Trainings that are killed at a moment of one's choice, and those that are worth it: all in them is random."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import lessons
import pytest

from tasks.neural import checkpoints
from tasks.neural.training import Fitting, Listener

RANDOM = {
    "image": lessons.training(
        "image",
        "partial",
        blocks=4,
        schedule={"kind": "one_cycle", "warmup": 0.5, "rise": 25, "fall": 1e4, "momentum_drop": 0.05},
    ),
    "text": lessons.training(
        "text",
        unfreeze_every=2,
        optimizer=lessons.SGD,
        schedule={"kind": "step", "every": 1, "factor": 0.9},
        learning_rates={"head": 0.03, "backbone": 0.01},
    ),
    "audio": lessons.training("audio", unfreeze_every=1, optimizer={"kind": "adam"}),
}
"""Three epochs of two steps, the second of a single batch. All that can be random is; of texts a block stays frozen."""


class Killed(BaseException):
    """Nothing catches it, as nothing catches a signal."""


@contextmanager
def dying(place: str, number: int) -> Iterator[Listener]:
    """Let the training die there; yield who listens to it."""
    calls = itertools.count(1)

    def at(stock: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any, **named: Any) -> Any:
            if next(calls) == number:
                raise Killed
            return stock(*arguments, **named)

        return act

    def listen(scores: dict[str, float | None], epoch: int) -> None:
        if (place, number) == ("listen", epoch):
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        if place == "step":
            patch.setattr(Fitting, "_step", at(Fitting._step))
        if place == "rename":
            patch.setattr(checkpoints, "sha256_of", at(checkpoints.sha256_of))
        yield listen
