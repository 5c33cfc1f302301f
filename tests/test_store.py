"""Results are kept by all they depend on: shared, bounded, checked when read, and gone without harm."""

import hashlib
import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tasks.errors import ConfigError
from tasks.modalities import Arrays
from tasks.store import Key, Store, keys

MEBIBYTE = 2**20
IDENTITY = {"what": "features", "weights": "abc"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / ".local" / "store.sqlite", 64 * MEBIBYTE)


def named(*names: str) -> list[Key]:
    return keys(IDENTITY, [hashlib.sha256(name.encode()).hexdigest() for name in names])


def results(first: int, count: int) -> dict[Key, Arrays]:
    found = named(*(str(number) for number in range(first, first + count)))
    return {key: {"features": np.full(1000, first + place, np.float32)} for place, key in enumerate(found)}


def many(path: Path, first: int) -> None:
    store = Store(path, 64 * MEBIBYTE)
    for start in range(first, first + 200, 10):
        store.keep(results(start, 10))


def without_end(path: Path) -> None:
    store, first = Store(path, 64 * MEBIBYTE), 1000
    while True:
        store.keep(results(first, 10))
        first += 10


def test_a_key_is_of_the_sample_and_of_all_else() -> None:
    one, other = named("one", "other")
    assert one != other
    sample = hashlib.sha256(b"one").hexdigest()
    assert keys(dict(reversed(IDENTITY.items())), [sample]) == [one]
    assert keys(IDENTITY | {"weights": "abd"}, [sample]) != [one]


def test_what_was_kept_is_taken_as_it_was(store: Store) -> None:
    arrays = {"map": np.arange(6, dtype=np.float32).reshape(2, 3).T, "cut": np.array(True)}
    one, other = named("one", "other")
    assert store.take([one]) == {}
    store.keep({one: arrays})
    found = store.take([other, one])
    assert list(found) == [one]
    assert {name: array.tolist() for name, array in found[one].items()} == {
        name: array.tolist() for name, array in arrays.items()
    }


def test_a_flipped_bit_is_a_miss_and_told(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    kept = results(0, 3)
    first, _, last = kept
    store.keep(kept)
    spoilt = np.float32(1).tobytes() * 1000
    content = bytearray(store.path.read_bytes())
    place = content.index(spoilt[:2000])
    content[place + 900] ^= 4
    store.path.write_bytes(content)
    assert store.take(list(kept)).keys() == {first, last}
    assert "1 results were damaged on the disk and are computed again" in capsys.readouterr().err
    store.keep(kept)
    assert store.take(list(kept)).keys() == kept.keys()


def test_a_file_that_is_no_database_is_begun_anew(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.keep(results(0, 3))
    store.path.write_bytes(b"nonsense" * 4000)
    assert store.take(list(results(0, 3))) == {}
    store.keep(results(0, 3))
    assert len(store.take(list(results(0, 3)))) == 3
    assert "its results are computed again" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_keeps_nothing_from_going_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path / "store.sqlite", MEBIBYTE)
    store.path.mkdir()
    store.keep(results(0, 3))
    assert store.take(list(results(0, 3))) == {}
    assert "going on without it" in capsys.readouterr().err


def test_the_least_recently_used_goes_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    old, newer = results(0, 500), results(500, 500)
    now = time.time()
    for hours, kept in ((0, old), (1, newer)):
        monkeypatch.setattr(time, "time", lambda hours=hours: now + hours * 3600)
        store.keep(kept)
    monkeypatch.setattr(time, "time", lambda: now + 2 * 3600)
    used = list(old)[:100]
    assert len(store.take(used)) == 100
    before = store.path.stat().st_size
    store.shrink(before // 2)
    assert store.path.stat().st_size <= before // 2
    assert store.take(used).keys() == set(used)
    assert len(store.take(list(newer))) > len(store.take(list(old)[100:])) == 0


def test_it_never_outgrows_its_room(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite", MEBIBYTE)
    for first in range(0, 2000, 100):
        store.keep(results(first, 100))
        assert store.bytes() <= MEBIBYTE
    assert store.take(list(results(1950, 50)))


def test_no_room_keeps_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite", 0)
    store.keep(results(0, 1))
    assert not store.path.exists()


@pytest.mark.parametrize("value", ["much", "-1"])
def test_a_room_that_is_no_number_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TRANSFER_STORE_GIBIBYTES", value)
    with pytest.raises(ConfigError, match=f"TRANSFER_STORE_GIBIBYTES={value}: expected a number of gibibytes"):
        Store.of(tmp_path)


def test_two_processes_keep_side_by_side(store: Store) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=many, args=(store.path, first)) for first in (0, 200)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert len(store.take(list(results(0, 400)))) == 400


def test_a_killed_writer_leaves_it_whole(store: Store) -> None:
    store.keep(results(0, 10))
    writer = multiprocessing.get_context("spawn").Process(target=without_end, args=(store.path,))
    writer.start()
    while not store.take(list(results(1000, 10))):
        time.sleep(0.01)
    os.kill(writer.pid or 0, signal.SIGKILL)
    writer.join()
    assert len(store.take(list(results(0, 10)))) == 10
    there = len(store.take(list(results(1000, 5_000))))
    assert there
    assert there % 10 == 0
