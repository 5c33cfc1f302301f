"""Fine-tuning: killed anywhere it ends as if nothing had been; what is frozen stays; what is no number is named."""

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import lessons
import numpy as np
import pytest
import torch
from torch.nn import functional

from tasks.errors import TrainingError
from tasks.neural import checkpoints, movement, strategies
from tasks.neural.checkpoints import Checkpoints
from tasks.neural.feeding import Portion, portions
from tasks.neural.learning import Ground, Learnt, learn
from tasks.neural.networks import Network
from tasks.neural.training import Fitting, Listener, fine_tune
from tasks.schema import DeepTraining

GroundOf = Callable[[str], Ground]
MODALITIES = ("image", "text", "audio")
SGD = {"kind": "sgd", "weight_decay": 0.001}
FAST = {"head": 0.03, "backbone": 0.01}
CALM: dict[str, Any] = {"average": 0.0, "dropout": 0.0, "schedule": {"kind": "constant", "warmup": 0.0}}
"""Every step counts, and nothing is averaged."""
STILL: dict[str, dict[str, Any]] = {
    "image": dict.fromkeys(("flip_horizontal", "flip_vertical", "shift", "scale", "shear_degrees"), 0.0)
    | dict.fromkeys(("brightness", "contrast", "saturation", "mix_up"), 0.0)
    | {"quarter_turns": False},
    "text": {"word_dropout": 0.0},
    "audio": dict.fromkeys(("time_masks", "frequency_masks"), 0)
    | dict.fromkeys(("shift_seconds", "noise", "mix_up"), 0.0),
}
"""No sample is changed."""


class Killed(BaseException):
    """Nothing catches it, as nothing catches a signal."""


def fit(
    ground: Ground, params: DeepTraining[Any], scratch: Path, listen: Callable[[Network, int], None] = lambda *_: None
) -> tuple[Network, dict[str, Any]]:
    """Fine-tune the network of a data set, which `listen` may look at after each epoch."""
    network = lessons.network(ground)
    strategies.begin(network, params)
    kept = Checkpoints(scratch, "lesson")
    report = fine_tune(network, lessons.material(ground), params, kept, lambda _, epoch: listen(network, epoch))
    return network, report


def fitting(ground: Ground, params: DeepTraining[Any]) -> Fitting:
    """A training that has not begun."""
    network = lessons.network(ground)
    strategies.begin(network, params)
    return Fitting(network, lessons.material(ground), params)


# --- killed

RANDOM = {
    "image": lessons.training("image", "partial", blocks=4, schedule={"kind": "one_cycle", "warmup": 0.5}),
    "text": lessons.training(
        "text",
        unfreeze_every=2,
        optimizer=SGD,
        schedule={"kind": "step", "every": 1, "factor": 0.9},
        learning_rates=FAST,
    ),
    "audio": lessons.training("audio", unfreeze_every=1, optimizer={"kind": "adam"}),
}
"""Three epochs of two steps, the second of a single batch. All that can be random is; of texts a block stays frozen."""
KILLS: dict[str, tuple[str, int, int | None]] = {
    "after epoch 0": ("listen", 0, 0),
    "in the middle of epoch 1": ("step", 2, 0),
    "after the checkpoint of epoch 1": ("listen", 1, 2),
    "in the middle of epoch 2": ("step", 4, 2),
    "while epoch 2 is being saved": ("rename", 2, 2),
    "after the last epoch": ("listen", 3, None),
}
"""Where the training dies and at which time, and which epoch the next one begins with (null: none is left)."""


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


@pytest.fixture(scope="module")
def whole(grounds: GroundOf, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Learnt]:
    """What comes of a training that was never killed."""
    torch.set_num_threads(1)
    return cache(lambda reads: lessons.learn(RANDOM[reads], grounds(reads), tmp_path_factory.mktemp("whole")))


def assert_same(found: Learnt, expected: Learnt) -> None:
    assert expected.report["best_epoch"] >= 2, "else nothing would be compared but the beginning"
    assert found.report == expected.report
    assert lessons.equal(found.network.state_dict(), expected.network.state_dict())


@pytest.mark.parametrize("reads", MODALITIES)
@pytest.mark.parametrize("kill", KILLS)
def test_killed_and_begun_anew_it_ends_to_the_bit_as_if_nothing_had_been(
    ground: GroundOf, whole: Callable[[str], Learnt], tmp_path: Path, reads: str, kill: str
) -> None:
    place, number, first = KILLS[kill]
    with dying(place, number) as listen, pytest.raises(Killed):
        lessons.learn(RANDOM[reads], ground(reads), tmp_path, listen)
    heard: list[int] = []
    again = lessons.learn(RANDOM[reads], ground(reads), tmp_path, lambda _, epoch: heard.append(epoch))
    assert_same(again, whole(reads))
    assert heard == ([] if first is None else list(range(first, 4)))


def test_killed_twice_it_still_ends_alike(ground: GroundOf, whole: Callable[[str], Learnt], tmp_path: Path) -> None:
    for _ in range(2):
        with dying("step", 4) as listen, pytest.raises(Killed):
            lessons.learn(RANDOM["audio"], ground("audio"), tmp_path, listen)
    assert_same(lessons.learn(RANDOM["audio"], ground("audio"), tmp_path), whole("audio"))


@pytest.mark.parametrize(
    "changes", [{"seed": 4}, {"dropout": 0.3}, {"augment": {"word_dropout": 0.1}}, {"average": 0.8}], ids=str
)
def test_what_a_killed_training_left_is_not_taken_for_that_of_another(
    ground: GroundOf, tmp_path: Path, changes: dict[str, Any]
) -> None:
    with dying("listen", 2) as listen, pytest.raises(Killed):
        lessons.learn(RANDOM["text"], ground("text"), tmp_path, listen)
    heard: list[int] = []
    other = lessons.training("text", **changes)
    lessons.learn(other, ground("text"), tmp_path, lambda _, epoch: heard.append(epoch))
    assert heard == [0, 1, 2, 3]


def test_what_was_learnt_from_other_rows_is_not_gone_on_with(ground: GroundOf, tmp_path: Path) -> None:
    with dying("listen", 2) as listen, pytest.raises(Killed):
        lessons.learn(RANDOM["text"], ground("text"), tmp_path, listen)
    heard: list[int] = []
    rows, asked = lessons.TRAIN[:-1], lessons.VALIDATION
    learn(RANDOM["text"], ground("text"), rows, asked, tmp_path, lambda _, epoch: heard.append(epoch))
    learn(RANDOM["text"], ground("text"), rows, asked[1:], tmp_path, lambda _, epoch: heard.append(epoch))
    assert heard == [0, 1, 2, 3] * 2


CHILD = """
import itertools, os, signal, sys
from pathlib import Path
import lessons, test_training, torch
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
lessons.learn(test_training.RANDOM["image"], ground, Path(sys.argv[2]))
"""


def test_a_process_that_was_really_killed_is_gone_on_with(
    ground: GroundOf, whole: Callable[[str], Learnt], tmp_path: Path
) -> None:
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
    heard: list[int] = []
    again = lessons.learn(RANDOM["image"], ground("image"), tmp_path, lambda _, epoch: heard.append(epoch))
    assert heard == [2, 3]
    assert_same(again, whole("image"))


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
    ground: GroundOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
        fit(ground("audio"), params, tmp_path)
    assert f"the loss is no finite number at epoch 2, step 2 (samples row {spoilt[0]});" in str(caught.value)
    assert "the state after epoch 1 is kept" in str(caught.value)
    kept = Checkpoints(tmp_path, "lesson").latest()
    assert kept is not None and [entry["epoch"] for entry in kept["history"]] == [0, 1]
    assert all(torch.isfinite(tensor).all() for tensor in kept["learning"].values())
    heard: list[int] = []
    network, report = fit(ground("audio"), params, tmp_path, lambda _, epoch: heard.append(epoch))
    unbroken, expected = fit(ground("audio"), params, tmp_path / "unbroken")
    assert heard == [2, 3] and report == expected
    assert lessons.equal(network.state_dict(), unbroken.state_dict())


def test_a_gradient_that_is_no_number_moves_nothing(ground: GroundOf) -> None:
    made = fitting(ground("text"), lessons.training("text"))
    made.judge()
    before = movement.snapshot(made.network)
    made.network.head.weight.register_hook(lambda gradient: gradient * float("nan"))
    told = r"the gradient is no finite number at epoch 1, step 1 \(samples row \d+, row \d+, row \d+ and 5 more\)"
    with pytest.raises(TrainingError, match=told):
        made.learn(lambda: None)
    assert lessons.equal(before, movement.snapshot(made.network))


# --- what moves and what does not


def moved(ground: Ground, params: DeepTraining[Any], scratch: Path) -> tuple[set[str], Network]:
    """Return the names of the tensors that differ after the last epoch, and the network as it is then."""
    before = movement.snapshot(lessons.network(ground))
    seen: dict[int, set[str]] = {}

    def listen(network: Network, epoch: int) -> None:
        seen[epoch] = lessons.differing(before, movement.snapshot(network))

    network, _ = fit(ground, params, scratch, listen)
    assert seen[0] == set()
    return seen[max(seen)], network


@pytest.mark.parametrize("reads", MODALITIES)
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
        fit(ground("text"), lessons.training("text", "partial", blocks=1), tmp_path, meddle)


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
        fit(ground("text"), params, tmp_path)


def test_what_moved_little_has_moved(ground: GroundOf, tmp_path: Path) -> None:
    rates = {"head": 1e-6, "backbone": 1e-6}
    network, _ = fit(ground("text"), lessons.training("text", "lora", learning_rates=rates), tmp_path)
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

    fit(ground("text"), lessons.training("text", strategy, epochs=4, patience=4, **changes, **CALM), tmp_path, listen)
    assert taking[1:] == moving[1:] == expected


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

    params = lessons.training("text", epochs=5, patience=patience, monitor=monitor, **CALM)
    network, report = fit(ground("text"), params, tmp_path, listen)
    assert list(seen) == [entry["epoch"] for entry in report["epochs"]] == list(range(last + 1))
    assert report["best_epoch"] == best
    assert lessons.equal(network.state_dict(), seen[best])
    assert all(lessons.differing(seen[epoch], seen[epoch + 1]) for epoch in range(last))


def test_a_monitor_that_is_never_defined_is_told(
    ground: GroundOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fitting, "_validation_scores", lambda _: {"loss": 1.0, "roc_auc": None})
    with pytest.raises(TrainingError, match="lesson: roc_auc is undefined on the validation split"):
        fit(ground("text"), lessons.training("text", monitor="roc_auc"), tmp_path)


@pytest.mark.parametrize(("reads", "strategy"), [("image", "scratch"), ("text", "lora"), ("audio", "full")])
def test_a_training_that_only_harms_is_undone(
    ground: GroundOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: str, strategy: str
) -> None:
    losses, came = itertools.count(1), movement.snapshot(lessons.network(ground(reads)))
    monkeypatch.setattr(Fitting, "_validation_scores", lambda _: {"loss": next(losses)})
    network, report = fit(ground(reads), lessons.training(reads, strategy, patience=2), tmp_path)
    assert (len(report["epochs"]), report["best_epoch"]) == (3, 0)
    if strategy != "lora":
        assert lessons.equal(network.state_dict(), came)
    assert all(not tensor.any() for name, tensor in network.state_dict().items() if "lora_B" in name)


def test_the_average_is_judged_and_kept_and_the_weights_go_on(
    ground: GroundOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fitting(ground("image"), lessons.training("image", average=0.9))
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
            optimizer={**SGD, "clip_norm": 1000.0},
            batch_size=size,
            accumulation=accumulation,
            augment=STILL["image"],
            **CALM,
        )
        found.append(fit(ground("image"), params, tmp_path / str(size)))
    (network, report), *others = found
    for other, told in others:
        assert [e["train_loss"] for e in told["epochs"][1:]] == pytest.approx(
            [e["train_loss"] for e in report["epochs"][1:]], rel=1e-4
        )
        for name, tensor in network.state_dict().items():
            assert torch.allclose(tensor, other.state_dict()[name], atol=1e-4), name


# --- what it is fed


def batches(ground: Ground, epoch: int, seed: int = 3, **augment: Any) -> list[Portion]:
    params = lessons.training(ground.prepared.about["modality"], augment=augment)
    return list(portions(lessons.material(ground), 5, params.augment, seed, epoch))


def same(one: list[Portion], other: list[Portion]) -> bool:
    pairs = list(zip(one, other, strict=True))
    rows = all(np.array_equal(a.rows, b.rows) for a, b in pairs)
    return rows and all(a.inputs[k].equal(b.inputs[k]) for a, b in pairs for k in a.inputs)


@pytest.mark.parametrize("reads", MODALITIES)
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
    made = fitting(ground("image"), lessons.training("image", loss=plain, dropout=0.0))
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
