"""Fine-tuning: killed anywhere it ends as if nothing had been; what is no number is named; the best epoch is kept."""

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import lessons
import pytest
import torch
from killed import RANDOM, Killed, dying

from tasks.errors import TrainingError
from tasks.neural import movement
from tasks.neural.checkpoints import Checkpoints
from tasks.neural.feeding import Portion
from tasks.neural.learning import Ground, Learnt, learn
from tasks.neural.networks import Network
from tasks.neural.training import Fitting

GroundOf = Callable[[str], Ground]
KILLS: dict[str, tuple[str, int, int | None]] = {
    "after epoch 0": ("listen", 0, 1),
    "in the middle of epoch 1": ("step", 2, 1),
    "after the checkpoint of epoch 1": ("listen", 1, 2),
    "in the middle of epoch 2": ("step", 4, 2),
    "while epoch 2 is being saved": ("rename", 2, 2),
    "after the last epoch": ("listen", 3, None),
}
"""Where the training dies and at which time, and which epoch the next one begins with (null: none is left)."""


@pytest.fixture(scope="module")
def whole(grounds: GroundOf, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Learnt]:
    """What comes of a training that was never killed."""
    torch.set_num_threads(1)
    return cache(lambda reads: lessons.learn(RANDOM[reads], grounds(reads), tmp_path_factory.mktemp("whole")))


@pytest.fixture
def learnt_epochs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of each epoch that is begun, in their order."""
    begun, stock = list[int](), Fitting.learn

    def counted(fitting: Fitting, advance: Callable[[], None]) -> float:
        begun.append(fitting.epoch + 1)
        return stock(fitting, advance)

    monkeypatch.setattr(Fitting, "learn", counted)
    return begun


def assert_same(found: Learnt, expected: Learnt) -> None:
    assert expected.report["best_epoch"] >= 2, "else nothing would be compared but the beginning"
    assert found.report == expected.report
    assert lessons.equal(found.network.state_dict(), expected.network.state_dict())


@pytest.mark.parametrize("reads", lessons.MODALITIES)
@pytest.mark.parametrize("kill", KILLS)
def test_killed_and_begun_anew_it_ends_to_the_bit_as_if_nothing_had_been(
    ground: GroundOf, whole: Callable[[str], Learnt], tmp_path: Path, learnt_epochs: list[int], reads: str, kill: str
) -> None:
    expected = whole(reads)
    place, number, first = KILLS[kill]
    with dying(place, number) as listen, pytest.raises(Killed):
        lessons.learn(RANDOM[reads], ground(reads), tmp_path, listen)
    learnt_epochs.clear()
    told: list[int] = []
    again = lessons.learn(RANDOM[reads], ground(reads), tmp_path, lambda _, epoch: told.append(epoch))
    assert_same(again, expected)
    assert learnt_epochs == ([] if first is None else list(range(first, 4)))
    assert told == [0, 1, 2, 3], "whoever listens hears of the epochs before, too"


def test_killed_twice_it_still_ends_alike(ground: GroundOf, whole: Callable[[str], Learnt], tmp_path: Path) -> None:
    for _ in range(2):
        with dying("step", 4) as listen, pytest.raises(Killed):
            lessons.learn(RANDOM["audio"], ground("audio"), tmp_path, listen)
    assert_same(lessons.learn(RANDOM["audio"], ground("audio"), tmp_path), whole("audio"))


@pytest.mark.parametrize(
    "changes", [{"seed": 4}, {"dropout": 0.3}, {"augment": {"word_dropout": 0.1}}, {"average": 0.8}], ids=str
)
def test_what_a_killed_training_left_is_not_taken_for_that_of_another(
    ground: GroundOf, tmp_path: Path, learnt_epochs: list[int], changes: dict[str, Any]
) -> None:
    with dying("listen", 2) as listen, pytest.raises(Killed):
        lessons.learn(RANDOM["text"], ground("text"), tmp_path, listen)
    other = lessons.training("text", **changes)
    learnt_epochs.clear()
    lessons.learn(other, ground("text"), tmp_path)
    assert learnt_epochs == [1, 2, 3]


def test_what_was_learnt_from_other_rows_is_not_gone_on_with(
    ground: GroundOf, tmp_path: Path, learnt_epochs: list[int]
) -> None:
    with dying("listen", 2) as listen, pytest.raises(Killed):
        lessons.learn(RANDOM["text"], ground("text"), tmp_path, listen)
    rows, asked = lessons.TRAIN[:-1], lessons.VALIDATION
    learnt_epochs.clear()
    learn(RANDOM["text"], ground("text"), rows, asked, tmp_path, lessons.silent)
    learn(RANDOM["text"], ground("text"), rows, asked[1:], tmp_path, lessons.silent)
    assert learnt_epochs == [1, 2, 3] * 2


CHILD = """
import itertools, os, signal, sys
from pathlib import Path
import killed, lessons, torch
from tasks.neural.learning import Ground
from tasks.neural.training import Fitting
from tasks.workspace import Workspace

torch.set_num_threads(1)
stock, calls = Fitting._step, itertools.count(1)

def step(*arguments):
    if next(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return stock(*arguments)

Fitting._step = step
ground = Ground.of(Workspace(Path(sys.argv[1]), "lessons"))
lessons.learn(killed.RANDOM["image"], ground, Path(sys.argv[2]))
"""


def test_a_process_that_was_really_killed_is_gone_on_with(
    ground: GroundOf, whole: Callable[[str], Learnt], tmp_path: Path, learnt_epochs: list[int]
) -> None:
    expected = whole("image")
    home = ground("image").prepared.folder.parents[2]
    tests = Path(__file__).parent
    paths = os.pathsep.join([str(tests), str(tests.parent)])
    died = subprocess.run(
        [sys.executable, "-c", CHILD, str(home), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert [path.name for path in tmp_path.rglob("*.pt")] == ["epoch-00001.pt"]
    learnt_epochs.clear()
    assert_same(lessons.learn(RANDOM["image"], ground("image"), tmp_path), expected)
    assert learnt_epochs == [2, 3]


# --- what is no number


@pytest.mark.parametrize("size", [4, 1])
def test_a_sample_that_spoils_the_loss_is_named(ground: GroundOf, tmp_path: Path, size: int) -> None:
    params = lessons.training("audio", augment={"mix_up": 0.0}, batch_size=size)
    broken = lessons.poisoned(ground("audio"), row=7)
    with pytest.raises(TrainingError) as caught:
        lessons.learn(params, broken, tmp_path)
    assert "lesson: the loss is no finite number at epoch 1, step " in str(caught.value)
    assert "(samples row 7)" in str(caught.value) and "\n" not in str(caught.value)


def test_a_mixed_sample_is_spoilt_by_its_partner_and_both_are_named(ground: GroundOf, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"\(samples row \d+, row \d+\)") as caught:
        lessons.learn(lessons.training("audio"), lessons.poisoned(ground("audio"), row=7), tmp_path)
    assert "row 7" in str(caught.value)


def test_a_validation_sample_without_an_answer_is_named(ground: GroundOf, tmp_path: Path) -> None:
    broken = lessons.poisoned(ground("audio"), row=int(lessons.VALIDATION[2]))
    with pytest.raises(TrainingError, match=r"1 validation samples are no finite numbers \(first row 14\)"):
        lessons.learn(lessons.training("audio"), broken, tmp_path)


def test_after_a_loss_that_is_no_number_the_last_good_epoch_is_gone_on_from(
    ground: GroundOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, learnt_epochs: list[int]
) -> None:
    stock, calls, spoilt = Fitting._losses, itertools.count(1), []

    def losses(self: Fitting, portion: Portion) -> torch.Tensor:
        whole = stock(self, portion)
        if next(calls) == 6:  # three batches an epoch, two and one to a step
            spoilt.append(int(portion.rows[1]))
            whole = whole * torch.tensor([1.0, float("inf"), 1.0, 1.0])
        return whole

    params = RANDOM["audio"]
    with monkeypatch.context() as patch, pytest.raises(TrainingError) as caught:
        patch.setattr(Fitting, "_losses", losses)
        lessons.fit(ground("audio"), params, tmp_path)
    assert f"the loss is no finite number at epoch 2, step 2 (samples row {spoilt[0]});" in str(caught.value)
    assert "the state after epoch 1 is kept" in str(caught.value)
    kept = Checkpoints(tmp_path, "lesson").latest()
    assert kept is not None and [entry["epoch"] for entry in kept["history"]] == [0, 1]
    assert all(torch.isfinite(tensor).all() for tensor in kept["learning"].values())
    learnt_epochs.clear()
    network, report = lessons.fit(ground("audio"), params, tmp_path)
    assert learnt_epochs == [2, 3]
    unbroken, expected = lessons.fit(ground("audio"), params, tmp_path / "unbroken")
    assert report == expected
    assert lessons.equal(network.state_dict(), unbroken.state_dict())


def test_a_gradient_that_is_no_number_moves_nothing(ground: GroundOf) -> None:
    made = lessons.fitting(ground("text"), lessons.training("text"))
    made.judge()
    before = movement.snapshot(made.network)
    made.network.head.weight.register_hook(lambda gradient: gradient * float("nan"))
    told = r"the gradient is no finite number at epoch 1, step 1 \(samples row \d+, row \d+, row \d+ and 5 more\)"
    with pytest.raises(TrainingError, match=told):
        made.learn(lambda: None)
    assert lessons.equal(before, movement.snapshot(made.network))


# --- which epoch counts

TOLD: dict[str, tuple[str, int, list[float | None], int, int]] = {
    "better each time": ("loss", 2, [5, 4, 3, 2, 1, 0], 5, 5),
    "stopped by patience": ("loss", 2, [5, 3, 4, 3.5, 1, 0], 3, 1),
    "patience begins anew": ("loss", 2, [5, 3, 4, 2, 3, 2.5], 5, 3),
    "never better": ("loss", 1, [1, 2, 0, 0, 0, 0], 1, 0),
    "of equals the earliest": ("accuracy", 2, [0.1, 0.5, 0.5, 0.5, 0.9, 1], 3, 1),
    "undefined at first": ("accuracy", 3, [None, 0.2, 0.3, None, 0.1, 0.2], 5, 2),
}
"""What is monitored, the patience, what validation says of each epoch, and the last epoch and the best one."""


@pytest.mark.parametrize("case", TOLD)
def test_the_best_epoch_is_kept_and_patience_ends(
    ground: GroundOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monitor, patience, told, last, best = TOLD[case]
    values, seen = iter(told), {}
    monkeypatch.setattr(Fitting, "_validation_scores", lambda _: {monitor: next(values)})

    def listen(network: Network, epoch: int) -> None:
        seen[epoch] = movement.snapshot(network)

    params = lessons.training("text", epochs=5, patience=patience, monitor=monitor, **lessons.CALM)
    network, report = lessons.fit(ground("text"), params, tmp_path, listen)
    assert list(seen) == [entry["epoch"] for entry in report["epochs"]] == list(range(last + 1))
    assert report["best_epoch"] == best
    assert lessons.equal(network.state_dict(), seen[best])
    assert all(lessons.differing(seen[epoch], seen[epoch + 1]) for epoch in range(last))


def test_a_monitor_that_is_never_defined_is_told(
    ground: GroundOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fitting, "_validation_scores", lambda _: {"loss": 1.0, "roc_auc": None})
    with pytest.raises(TrainingError, match="lesson: roc_auc is undefined on the validation split"):
        lessons.fit(ground("text"), lessons.training("text", monitor="roc_auc"), tmp_path)


@pytest.mark.parametrize(("reads", "strategy"), [("image", "scratch"), ("text", "lora"), ("audio", "full")])
def test_a_training_that_only_harms_is_undone(
    ground: GroundOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: str, strategy: str
) -> None:
    losses, came = itertools.count(1), movement.snapshot(lessons.network(ground(reads)))
    monkeypatch.setattr(Fitting, "_validation_scores", lambda _: {"loss": next(losses)})
    network, report = lessons.fit(ground(reads), lessons.training(reads, strategy, patience=2), tmp_path)
    assert (len(report["epochs"]), report["best_epoch"]) == (3, 0)
    if strategy != "lora":
        assert lessons.equal(network.state_dict(), came)
    assert all(not tensor.any() for name, tensor in network.state_dict().items() if "lora_B" in name)


def test_the_average_is_judged_and_kept_and_the_weights_go_on(
    ground: GroundOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = lessons.fitting(ground("image"), lessons.training("image", average=0.9))
    judged: list[dict[str, torch.Tensor]] = []

    def better_each_time(self: Fitting) -> dict[str, float]:
        judged.append(movement.snapshot(self.network))
        return {"loss": 1 / len(judged)}

    monkeypatch.setattr(Fitting, "_validation_scores", better_each_time)
    made.judge()
    made.learn(lambda: None)
    raw = movement.snapshot(made.network)
    made.judge(train_loss=1.0)
    assert made.average is not None and made.average.step == 2
    assert not lessons.differing(made.average.tensors, judged[1])
    assert lessons.differing(judged[1], raw) and lessons.differing(judged[1], judged[0])
    assert lessons.equal(raw, movement.snapshot(made.network)), "what learns goes on from where it was"
    made.take_best()
    assert lessons.equal(judged[1], movement.snapshot(made.network))


def test_accumulated_batches_learn_as_one(ground: GroundOf, tmp_path: Path) -> None:
    found = []
    for size, accumulation in ((8, 1), (4, 2), (2, 4)):
        params = lessons.training(
            "image",
            optimizer={**lessons.SGD, "clip_norm": 1000.0},
            batch_size=size,
            accumulation=accumulation,
            augment=lessons.STILL,
            **lessons.CALM,
        )
        found.append(lessons.fit(ground("image"), params, tmp_path / str(size)))
    (network, report), *others = found
    for other, told in others:
        assert [e["train_loss"] for e in told["epochs"][1:]] == pytest.approx(
            [e["train_loss"] for e in report["epochs"][1:]], rel=1e-4
        )
        for name, tensor in network.state_dict().items():
            assert torch.allclose(tensor, other.state_dict()[name], atol=1e-4), name
