"""Shards: every sample comes back as it was, from any thread or process, without the rest being read."""

import hashlib
import multiprocessing
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.modalities import Arrays, shards
from tasks.modalities.shards import Chosen, Prepared, arranged, write_shards
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
    """23 samples in shards of 10, 10, none and 3."""
    samples = [ragged(number) for number in range(23)]
    assert write_shards(tmp_path, [samples[:10], samples[10:20], [], samples[20:]]) == [10, 10, 0, 3]
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
    (folder / "shard-00003.safetensors").unlink()
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


def identities(count: int) -> list[str]:
    return sorted(hashlib.sha256(bytes([number % 256, number // 256])).hexdigest() for number in range(count))


@pytest.mark.parametrize(("count", "about", "expected"), [(0, 4, 1), (4, 4, 1), (5, 4, 2), (1000, 16, 64)])
def test_samples_lie_by_the_first_bits_of_their_ids(count: int, about: int, expected: int) -> None:
    ids = identities(count)
    found = arranged(ids, about)
    assert len(found) == expected
    assert [row for rows in found for row in rows] == list(range(count))
    for number, rows in enumerate(found):
        assert all(int(ids[row], 16) * expected >> 256 == number for row in rows)


def test_more_samples_leave_most_shards_as_they_are() -> None:
    before, after = identities(900), identities(909)
    held = [[[ids[row] for row in rows] for rows in arranged(ids, 16)] for ids in (before, after)]
    changed = sum(one != other for one, other in zip(*held, strict=True))
    assert 1 <= changed <= 9


def test_few_shards_are_open_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "OPEN", 1)
    opened: list[Path] = []
    real = shards._opened
    monkeypatch.setattr(shards, "_opened", lambda path: opened.append(path) or real(path))
    prepared = Prepared(folder)
    for row in (0, 5, 15, 3):
        assert_same(prepared[row], ragged(row))
    assert [path.name[6:11] for path in opened] == ["00000", "00001", "00000"]


def test_flags_are_counted(folder: Path) -> None:
    assert Prepared(folder).count("truncated") == 12


def test_chosen_rows_are_read_one_by_one(folder: Path) -> None:
    chosen = Chosen(Prepared(folder), np.array([22, 3, 15]))
    assert len(chosen) == 3
    for sample, row in zip(chosen, (22, 3, 15), strict=True):
        assert_same(sample, ragged(row))
    assert_same(chosen[1:][0], ragged(3))


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
