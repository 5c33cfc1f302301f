"""Answers for many samples: in the order asked, whatever they were batched with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from tasks.errors import ConfigError
from tasks.modalities import Arrays, Batch
from tasks.neural import devices, networks
from tasks.neural.inference import compute
from tasks.neural.networks import Network

LENGTHS = [3, 9, 5, 7, 3, 8, 4, 6, 9, 2]


class Tokens:
    """A modality of texts that remembers how long the texts of each batch were."""

    def __init__(self) -> None:
        self.seen: list[list[int]] = []

    def collate(self, samples: Sequence[Arrays], backbone: Path) -> Batch:
        lengths = [len(sample["tokens"]) for sample in samples]
        self.seen.append(lengths)
        tokens = np.zeros((len(samples), max(lengths)), np.int64)
        for row, sample in zip(tokens, samples, strict=True):
            row[: len(sample["tokens"])] = sample["tokens"]
        mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
        return {"input_ids": torch.from_numpy(tokens), "attention_mask": torch.from_numpy(mask.astype(np.int64))}

    def lengths(self, samples: Sequence[Arrays]) -> "np.ndarray[Any, np.dtype[np.int64]]":
        return np.array([len(sample["tokens"]) for sample in samples], dtype=np.int64)


@pytest.fixture
def network(tmp_path: Path) -> Network:
    made = networks.build("text", tiny.write("bert", tmp_path / "bert"), None, None, 3)
    made.graft(*tiny.head(made.head.in_features))
    return made.train()


@pytest.fixture
def texts() -> list[Arrays]:
    random = np.random.default_rng(0)
    return [{"tokens": random.integers(5, 50, length).astype(np.int32)} for length in LENGTHS]


def ask(network: Network, texts: list[Arrays], rows: list[int], size: int, what: Any, reads: Any = None) -> Any:
    return compute(network, texts, np.array(rows, dtype=np.int64), reads or Tokens(), Path(), size, "float32", what)


@pytest.mark.parametrize("what", ["outputs", "features"])
def test_rows_come_back_in_the_order_asked(network: Network, texts: list[Arrays], what: str) -> None:
    rows = [7, 0, 3, 9, 1, 0]
    together = ask(network, texts, rows, 4, what)
    alone = np.concatenate([ask(network, texts, [row], 1, what) for row in rows])
    assert together.dtype == np.float32 and together.shape == (6, 3 if what == "outputs" else 16)
    assert np.allclose(together, alone, atol=1e-5)
    assert not network.training


def test_like_is_batched_with_like_and_the_longest_goes_first(network: Network, texts: list[Arrays]) -> None:
    reads = Tokens()
    ask(network, texts, list(range(10)), 4, "outputs", reads)
    assert reads.seen == [[9, 9, 8, 7], [6, 5, 4, 3], [3, 2]]


def test_no_rows_have_no_answers(network: Network, texts: list[Arrays]) -> None:
    assert ask(network, texts, [], 4, "outputs").shape == (0, 3)
    assert ask(network, texts, [], 4, "features").shape == (0, 16)


def test_a_sample_that_cannot_be_read_is_not_swallowed_by_the_thread(network: Network, texts: list[Arrays]) -> None:
    with pytest.raises(KeyError, match="tokens"):
        ask(
            network,
            [{}, *texts],
            [1, 2, 0],
            1,
            "outputs",
            type("R", (Tokens,), {"lengths": lambda _s, x: np.ones(len(x))})(),
        )


def test_bfloat16_answers_nearly_alike_in_float32(network: Network, texts: list[Arrays]) -> None:
    rows = np.arange(10)
    exact, rounded = (
        compute(network, texts, rows, Tokens(), Path(), 4, name, "outputs")  # type: ignore[arg-type]
        for name in ("float32", "bfloat16")
    )
    assert rounded.dtype == np.float32 and not np.array_equal(exact, rounded)
    assert np.allclose(exact, rounded, atol=0.1)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_the_environment_says_where_and_with_how_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    monkeypatch.setenv("TRANSFER_THREADS", "1")
    assert devices.threads() == 1
    monkeypatch.delenv("TRANSFER_THREADS")
    assert devices.threads() == devices.cores()
    monkeypatch.setenv("TRANSFER_THREADS", "many")
    with pytest.raises(ConfigError, match="TRANSFER_THREADS=many: expected a whole number above 0"):
        devices.threads()
    torch.set_num_threads(before)


def test_a_device_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFER_DEVICE", "abacus")
    devices.device.cache_clear()
    with pytest.raises(ConfigError, match="TRANSFER_DEVICE=abacus: cannot compute there"):
        devices.device()
    monkeypatch.setenv("TRANSFER_DEVICE", "cpu")
    assert devices.device() == torch.device("cpu")
    devices.device.cache_clear()


def test_automatic_precision_is_what_the_processor_can() -> None:
    native = devices.native_bfloat16(devices.device())
    assert devices.precision("auto") is (torch.bfloat16 if native else torch.float32)
    assert devices.precision("float32") is torch.float32
    assert not devices.native_bfloat16(torch.device("meta"))
