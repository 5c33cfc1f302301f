"""Shards: every sample comes back as it was, from any thread or process, without the rest being read."""

import multiprocessing
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.modalities import Arrays
from tasks.modalities.shards import Prepared, write_shards
from tasks.workspace import write_json


def ragged(number: int) -> Arrays:
    """A text of `number % 5 + 1` tokens, its flag and its picture."""
    return {
        "tokens": np.arange(number, number + number % 5 + 1, dtype=np.int32),
        "truncated": np.array(number % 2 == 0),
        "pixels": np.full((2, 3), number, np.uint8),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """23 samples in shards of 10, 10 and 3."""
    samples = [ragged(number) for number in range(23)]
    assert write_shards(tmp_path, [samples[:10], samples[10:20], [], samples[20:]]) == [10, 10, 3]
    splits = ["train", "validation", "test"]
    columns = {"split": [splits[row % 3] for row in range(23)], "confidence": 1.0}
    pd.DataFrame(columns).to_parquet(tmp_path / "samples.parquet")
    write_json(tmp_path / "prepared.json", {"modality": "text"})
    return tmp_path


def assert_same(found: Arrays, expected: Arrays) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert np.array_equal(found[name], array)


def test_every_sample_comes_back_as_it_was(folder: Path) -> None:
    prepared = Prepared(folder)
    assert len(prepared) == 23
    for row, sample in enumerate(prepared):
        assert_same(sample, ragged(row))
    assert_same(prepared[np.int64(12)], ragged(12))
    assert [sample["pixels"][0, 0] for sample in prepared[8:12]] == [8, 9, 10, 11]
    assert_same(prepared[-1], ragged(22))
    for row in (23, -24):
        with pytest.raises(IndexError):
            prepared[row]


def test_arrays_that_lie_by_columns_come_back_as_they_were(tmp_path: Path) -> None:
    samples: list[Arrays] = [{"mel": np.arange(6, dtype=np.float32).reshape(3, 2).T + row} for row in range(4)]
    write_shards(tmp_path, [samples])
    found = Prepared(tmp_path)
    assert all(np.array_equal(found[row]["mel"], samples[row]["mel"]) for row in range(4))


def test_samples_are_described_and_found_by_split(folder: Path) -> None:
    prepared = Prepared(folder)
    assert prepared.about == {"modality": "text"}
    assert prepared.rows("validation").tolist() == list(range(1, 23, 3))
    assert prepared.rows("validation").dtype == np.int64
    assert len(prepared.samples) == 23


def test_a_sample_is_a_copy_of_its_own(folder: Path) -> None:
    prepared = Prepared(folder)
    prepared[3]["tokens"][:] = -1
    assert_same(prepared[3], ragged(3))


def test_only_the_shard_asked_for_is_opened(folder: Path) -> None:
    (folder / "shard-00000.safetensors").unlink()
    (folder / "shard-00002.safetensors").unlink()
    assert_same(Prepared(folder)[15], ragged(15))


def test_equal_samples_give_equal_bytes(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    write_shards(again, [[ragged(number) for number in range(10)]])
    first = "shard-00000.safetensors"
    assert (again / first).read_bytes() == (folder / first).read_bytes()


def test_no_samples_are_no_shards(tmp_path: Path) -> None:
    assert write_shards(tmp_path, []) == []
    assert len(Prepared(tmp_path)) == 0


def test_threads_may_share_it(folder: Path) -> None:
    prepared = Prepared(folder)
    rows = np.random.default_rng(0).integers(0, 23, 500).tolist()
    with ThreadPoolExecutor(8) as pool:
        for row, sample in zip(rows, pool.map(prepared.__getitem__, rows), strict=True):
            assert_same(sample, ragged(row))


def first_tokens(prepared: Prepared, rows: list[int], answers: Any) -> None:
    answers.put([int(prepared[row]["tokens"][0]) for row in rows])


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_other_processes_may_read_it(folder: Path, start: str) -> None:
    prepared = Prepared(folder)
    assert prepared[0]["tokens"].tolist() == [0]
    assert_same(pickle.loads(pickle.dumps(prepared))[22], ragged(22))  # noqa: S301 - our own bytes
    context = multiprocessing.get_context(start)
    answers: Any = context.Queue()
    child = context.Process(target=first_tokens, args=(prepared, [0, 15, 22], answers))
    child.start()
    assert answers.get(timeout=60) == [0, 15, 22]
    child.join()
