"""Checkpoints: the newest sound one of this very training is found, whatever else lies in the folder."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tasks.neural.checkpoints import Checkpoints

IDENTITY = {"seed": 1, "rows": [1, 2]}


class Killed(BaseException):
    """Nothing after it is run."""


def state(epoch: int) -> dict[str, Any]:
    """All kinds of things a training keeps."""
    history = [{"epoch": number, "loss": 0.1 + number, "r2": None} for number in range(epoch + 1)]
    return {
        "history": history,
        "best": {"weight": torch.full((3, 2), 1 / (epoch + 3)), "count": torch.tensor(epoch)},
        "optimizer": {"state": {0: {"step": torch.tensor(2.0)}}, "param_groups": [{"betas": (0.9, 0.999)}]},
    }


@pytest.fixture
def kept(tmp_path: Path) -> Checkpoints:
    """The checkpoints of a training after two epochs."""
    made = Checkpoints(tmp_path / "scratch", IDENTITY)
    made.save(1, state(1))
    made.save(2, state(2))
    return made


def epoch_of(found: dict[str, Any] | None) -> int | None:
    return None if found is None else len(found["history"]) - 1


def files(kept: Checkpoints) -> list[str]:
    return sorted(path.name for path in kept.folder.iterdir())


def test_nothing_is_found_where_nothing_was_kept(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "scratch", IDENTITY).latest() is None
    assert not (tmp_path / "scratch").exists()


def test_the_newest_comes_back_as_it_was(kept: Checkpoints) -> None:
    found, wanted = kept.latest(), state(2)
    assert found is not None
    tensors, expected = found.pop("best"), wanted.pop("best")
    assert all(torch.equal(tensors[name], expected[name]) for name in expected)
    assert found == wanted


def test_only_the_last_two_are_kept(kept: Checkpoints) -> None:
    for epoch in range(3, 6):
        kept.save(epoch, state(epoch))
    assert files(kept) == ["epoch-00004.json", "epoch-00004.pt", "epoch-00005.json", "epoch-00005.pt"]
    assert epoch_of(kept.latest()) == 5


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def of_another(path: Path) -> None:
    other = Checkpoints(path.parent.parent, {**IDENTITY, "seed": 2})
    other.save(2, state(2))
    for name in ("epoch-00002.pt", "epoch-00002.json"):
        shutil.copyfile(other.folder / name, path.parent / name)


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "a byte flipped": flip_a_byte,
    "its description gone": lambda path: path.with_suffix(".json").unlink(),
    "its description cut short": lambda path: path.with_suffix(".json").write_text('{"epoch": 2, "iden'),
    "the description of another epoch": lambda path: path.with_suffix(".json").write_text(
        path.with_stem("epoch-00001").with_suffix(".json").read_text()
    ),
    "of another training": of_another,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_one_is_never_chosen_but_the_one_before(kept: Checkpoints, damage: str) -> None:
    DAMAGES[damage](kept.folder / "epoch-00002.pt")
    again = Checkpoints(kept.folder.parent, IDENTITY)
    assert epoch_of(again.latest()) == 1
    again.save(2, state(2))
    assert epoch_of(again.latest()) == 2


@pytest.mark.parametrize("damage", ["cut short", "a byte flipped", "its description gone"])
def test_where_all_are_damaged_nothing_is_found(kept: Checkpoints, damage: str) -> None:
    for epoch in (1, 2):
        DAMAGES[damage](kept.folder / f"epoch-0000{epoch}.pt")
    assert kept.latest() is None


def test_trainings_do_not_stand_in_each_other_s_way(kept: Checkpoints) -> None:
    kept.save(7, state(7))
    other = Checkpoints(kept.folder.parent, {**IDENTITY, "seed": 2})
    assert other.latest() is None
    for epoch in (1, 2, 3):
        other.save(epoch, state(epoch))
        assert epoch_of(other.latest()) == epoch
    assert epoch_of(kept.latest()) == 7


def test_the_order_of_keys_makes_no_other_training(kept: Checkpoints) -> None:
    assert epoch_of(Checkpoints(kept.folder.parent, dict(reversed(IDENTITY.items()))).latest()) == 2


KILLS = {
    "before it is whole": "torch.save",
    "before it is in its place": "tasks.neural.checkpoints.sha256_of",
    "before it is described": "tasks.neural.checkpoints.write_json",
}
"""What dies when a save is killed."""


@pytest.mark.parametrize("moment", KILLS)
@pytest.mark.parametrize("epoch", [3, 2])
def test_a_save_that_is_killed_leaves_the_ones_before(
    kept: Checkpoints, monkeypatch: pytest.MonkeyPatch, moment: str, epoch: int
) -> None:
    """Another epoch, or one that was there and is learnt again."""

    def die(_: Any, stream: Any = None) -> None:
        if moment == "before it is whole":
            stream.write(b"half")
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(KILLS[moment], die)
        kept.save(epoch, {**state(epoch), "more": 1})
    found = epoch_of(kept.latest())
    assert found == (1 if epoch == 2 and moment == "before it is described" else 2)
    kept.save(3, state(3))
    assert epoch_of(kept.latest()) == 3


def test_what_a_killed_process_was_writing_does_no_harm(kept: Checkpoints) -> None:
    (kept.folder / ".123.part").write_bytes(b"half")
    (kept.folder / ".epoch-00003.json.123").write_text("{")
    assert epoch_of(kept.latest()) == 2
    kept.save(3, state(3))
    assert epoch_of(kept.latest()) == 3
    assert {name for name in files(kept) if name.endswith(".pt")} == {"epoch-00002.pt", "epoch-00003.pt"}
