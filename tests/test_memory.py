"""Memory that runs out: inference and training go on with half the batch and come to the same, or stop in one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lessons
import numpy as np
import pytest
import torch

from tasks.errors import ResourceError
from tasks.modalities import modality
from tasks.neural import memory
from tasks.neural.inference import compute
from tasks.neural.learning import Ground
from tasks.neural.networks import Network

GroundOf = Callable[[str], Ground]
SAID: dict[str, Exception] = {
    "cpu": RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"),
    "cuda": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "mps": RuntimeError("MPS backend out of memory (MPS allocated: 17.99 GB)"),
    "python": MemoryError(),
}
CALM = lessons.CALM | {"unfreeze_every": None}


def holding(monkeypatch: pytest.MonkeyPatch, most: int, error: Exception) -> list[int]:
    """Let no network compute more than `most` samples at once; return the sizes that were tried."""
    tried, stock = list[int](), Network.forward

    def forward(self: Network, **inputs: Any) -> Any:
        tried.append(len(next(iter(inputs.values()))))
        if tried[-1] > most:
            raise error
        return stock(self, **inputs)

    monkeypatch.setattr(Network, "forward", forward)
    return tried


def asked(ground: Ground, reads: str) -> Any:
    network = lessons.network(ground)
    rows = np.arange(20)
    return compute(network, ground.prepared, rows, modality(reads), ground.backbone, 8, "float32", "outputs")


@pytest.mark.parametrize("device", SAID)
def test_inference_goes_on_with_half_and_answers_alike(
    ground: GroundOf, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], device: str
) -> None:
    expected = asked(ground("text"), "text")
    tried = holding(monkeypatch, 3, SAID[device])
    assert np.allclose(asked(ground("text"), "text"), expected, atol=1e-5)
    assert tried[:3] == [8, 4, 2] and max(tried[3:]) == 2
    assert [line for line in capsys.readouterr().err.splitlines() if "memory" in line] == [
        "    memory runs out with 8 samples at once: going on with 4 (lower batch_size)",
        "    memory runs out with 4 samples at once: going on with 2 (lower batch_size)",
    ]


@pytest.mark.parametrize("reads", ["image", "audio"])  # texts' own network draws at random what it leaves out
def test_training_goes_on_in_parts_and_takes_the_same_steps(
    ground: GroundOf, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, reads: str
) -> None:
    params = lessons.training(reads, **CALM, batch_size=6, optimizer=lessons.SGD)
    expected, report = lessons.fit(ground(reads), params, tmp_path / "whole")
    tried = holding(monkeypatch, 3, SAID["cpu"])
    found, again = lessons.fit(ground(reads), params, tmp_path / "parts")
    assert tried[:2] == [6, 3] and tried.count(6) == 2, "once when asked, once when learning"
    assert "memory runs out with 6 samples at once: going on with 3 (lower batch_size)" in capsys.readouterr().err
    for name, tensor in expected.state_dict().items():
        assert torch.allclose(found.state_dict()[name].float(), tensor.float(), atol=1e-4), name
    assert [one["loss"] for one in again["epochs"]] == pytest.approx(
        [one["loss"] for one in report["epochs"]], abs=1e-4
    )


def test_what_does_not_fit_even_alone_is_one_line(ground: GroundOf, monkeypatch: pytest.MonkeyPatch) -> None:
    holding(monkeypatch, 0, SAID["cpu"])
    with pytest.raises(ResourceError) as told:
        asked(ground("text"), "text")
    assert str(told.value) == (
        "memory runs out even with a batch of 1, and fewer cannot be computed; close other programs, choose a smaller "
        "backbone, or lower batch_size"
    )


def test_another_error_is_not_taken_for_it(ground: GroundOf, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = holding(monkeypatch, 0, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        asked(ground("text"), "text")
    assert tried == [8]


def test_a_real_allocation_that_is_too_large_is_known() -> None:
    with pytest.raises(RuntimeError) as told:
        torch.empty(2**60)
    assert memory.ran_out(told.value)
