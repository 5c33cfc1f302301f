"""Strategies: what each one moves, and that all end in the same kind of network, saved, loaded and asked."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lessons
import numpy as np
import pytest
import tiny
import torch
from killed import Killed, dying
from pydantic import TypeAdapter

from tasks import finetune as stage
from tasks.modalities import modality
from tasks.neural import inference, movement, networks, strategies
from tasks.neural.learning import Ground, Learnt
from tasks.neural.networks import Network
from tasks.schema import HeadSettings, HeadTraining, Loss
from tasks.workspace import Workspace, read_json

GroundOf = Callable[[str], Ground]
LEARNS_ALL = ("full", "scratch")


def learnt(ground: Ground, strategy: str, scratch: Path, **changes: Any) -> Learnt:
    """Learn a training whose last epoch counts as its best."""
    reads = ground.prepared.about["modality"]
    return lessons.learn(lessons.training(reads, strategy, average=0.0, **changes), ground, scratch)


@pytest.fixture
def last_is_best(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every epoch be better than the one before, so that what was learnt is kept."""
    losses = iter(range(1000, 0, -1))
    monkeypatch.setattr("tasks.neural.training.Fitting._validation_scores", lambda _: {"loss": next(losses)})
    yield


@pytest.mark.usefixtures("last_is_best")
@pytest.mark.parametrize("reads", lessons.MODALITIES)
@pytest.mark.parametrize("strategy", lessons.OWN)
def test_each_strategy_moves_its_own_and_ends_in_a_stock_network(
    ground: GroundOf, tmp_path: Path, reads: str, strategy: str
) -> None:
    start = lessons.network(ground(reads))
    network, facts, report, _ = learnt(ground(reads), strategy, tmp_path)
    before, after = movement.snapshot(start), network.state_dict()
    assert facts == {"labels": sorted(lessons.LABELS)} and report["best_epoch"] == 3
    assert {name: tensor.shape for name, tensor in after.items()} == {name: t.shape for name, t in before.items()}
    assert report["distance"] > 0 and (report["head"] is None) == (strategy == "scratch")
    own = {"head.weight", "head.bias"}
    own |= {f"trunk.{name}" for block in network.blocks[-2 if strategy == "partial" else 0 :] for name in block}
    if strategy != "scratch":
        assert lessons.differing(before, after) <= own
    if strategy in LEARNS_ALL:
        assert own <= lessons.differing(before, after)


@pytest.mark.parametrize("strategy", lessons.OWN)
def test_what_learns_is_counted(ground: GroundOf, tmp_path: Path, strategy: str) -> None:
    network, _, report, _ = learnt(ground("text"), strategy, tmp_path, epochs=1)
    parameters = dict(network.trunk.named_parameters())
    sizes = [sum(parameters[name].numel() for name in block) for block in network.blocks]
    head, hidden, between, rank = 32 * 3 + 3, 32, 64, 2
    adapter = 4 * (rank * (hidden + hidden)) + 2 * (rank * (hidden + between))
    trained = {
        "partial": head + sum(sizes[-2:]),
        "full": head + sum(sizes),
        "lora": head + 2 * adapter,
        "scratch": head + sum(sizes),
    }
    assert report["parameters"] == {"trained": trained[strategy], "total": head + sum(sizes)}


def test_a_head_alone_is_learnt_from_the_features(ground: GroundOf, tmp_path: Path) -> None:
    told = {key: lessons.SETTINGS[key] for key in ("name", "dataset", "objective", "seed")}
    params = HeadTraining(strategy="head", modality="image", head=HeadSettings(strengths=[1.0]), **told)
    network, _, report, _ = lessons.learn(params, ground("image"), tmp_path)
    fresh = ground("image").network(3, random=False)
    assert lessons.differing(fresh.state_dict(), network.state_dict()) == {"head.weight", "head.bias"}
    assert (report["epochs"], report["best_epoch"], report["distance"]) == ([], 0, 0.0)
    assert report["parameters"]["trained"] == network.head.weight.numel() + 3
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("strategy", lessons.OWN)
def test_features_are_left_out_as_declared_while_it_learns(ground: GroundOf, strategy: str) -> None:
    network, pictures = lessons.network(ground("image")), tiny.batch("image", 3)
    changes = {"adapters": {"rank": 2, "alpha": 4, "dropout": 0.0}} if strategy == "lora" else {}
    strategies.begin(network, lessons.training("image", strategy, dropout=0.5, **changes))
    seen: list[torch.Tensor] = []
    network.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    for training in (True, False):
        network.train(training)(**pictures)
    learning, asked = seen
    assert 0.3 < float((learning == 0).float().mean() - (asked == 0).float().mean()) < 0.7
    if strategy != "scratch":
        assert torch.allclose(learning[learning != 0], asked[learning != 0] * 2, atol=1e-4)


@pytest.mark.usefixtures("last_is_best")
@pytest.mark.parametrize(("reads", "strategy"), [("image", "scratch"), ("image", "lora"), ("text", "lora")])
def test_killed_under_any_strategy_it_ends_as_if_nothing_had_been(
    ground: GroundOf, tmp_path: Path, reads: str, strategy: str
) -> None:
    params = lessons.training(reads, strategy)
    whole = lessons.learn(params, ground(reads), tmp_path / "whole")
    with dying("step", 4) as listen, pytest.raises(Killed):
        lessons.learn(params, ground(reads), tmp_path / "killed", listen)
    again = lessons.learn(params, ground(reads), tmp_path / "killed")
    assert again.report["best_epoch"] == 3
    assert lessons.equal(again.network.state_dict(), whole.network.state_dict())
    assert [entry["train_loss"] for entry in again.report["epochs"][1:]] == [
        entry["train_loss"] for entry in whole.report["epochs"][1:]
    ]


def test_the_labels_of_other_rows_are_not_read(ground: GroundOf, tmp_path: Path) -> None:
    found = ground("text")
    before = learnt(found, "full", tmp_path / "before", epochs=1)
    samples = found.prepared.samples
    kept = samples["label"].copy()
    try:
        samples.loc[lessons.TEST, "label"] = "never learnt"
        after = learnt(found, "full", tmp_path / "after", epochs=1)
    finally:
        samples["label"] = kept
    assert lessons.equal(before.network.state_dict(), after.network.state_dict())


@pytest.mark.parametrize("strategy", ["full", "scratch"])
@pytest.mark.parametrize("loss", [{"kind": "huber", "delta": 1.0}, {"kind": "squared_error"}], ids=str)
def test_values_are_learnt_too(ground: GroundOf, tmp_path: Path, strategy: str, loss: dict[str, Any]) -> None:
    """From scratch all answers are alike at first, and their rank correlation with anything is undefined."""
    found = lessons.valued(ground("audio"))
    params = lessons.training("audio", strategy, objective="regression", monitor="spearman", average=0.0)
    settings = TypeAdapter(Loss).validate_python({**loss, "unsure": "weigh"})
    network, facts, report, _ = lessons.learn(params.model_copy(update={"loss": settings}), found, tmp_path)
    assert facts["deviation"] == pytest.approx(np.std(range(3)))
    assert network.head.out_features == 1 and len(report["epochs"]) == 4
    assert (report["epochs"][0]["spearman"] is None) == (strategy == "scratch") == (report["best_epoch"] > 0)
    assert all(np.isfinite(entry["train_loss"]) for entry in report["epochs"][1:])


# --- from scratch


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_from_scratch_the_architecture_is_kept_and_no_weight(family: str, tmp_path: Path) -> None:
    reads, directory = tiny.FAMILIES[family].modality, tiny.write(family, tmp_path / family)

    def build(seed: int, random: bool) -> dict[str, torch.Tensor]:
        torch.manual_seed(seed)
        return networks.build(reads, directory, None, 1 if reads == "audio" else None, 3, random).state_dict()

    pretrained, one, again, other = build(1, False), build(1, True), build(1, True), build(2, True)
    assert {name: tensor.shape for name, tensor in one.items()} == {name: t.shape for name, t in pretrained.items()}
    assert lessons.equal(one, again), "a seed decides all of it"
    kept = {"trunk.encoder.embed_positions.weight", "trunk.projector.weight", "head.weight"}
    matrices = {name for name, tensor in one.items() if tensor.ndim > 1 and tensor.unique().numel() > 1} - kept
    assert len(matrices) > 10
    assert matrices <= lessons.differing(pretrained, one) and matrices <= lessons.differing(one, other)
    assert not one["head.weight"].any() and not one["head.bias"].any()


def test_what_whisper_s_authors_never_learnt_is_kept(ground: GroundOf) -> None:
    torch.manual_seed(1)
    pretrained, random = (ground("audio").network(3, random=random).state_dict() for random in (False, True))
    for name in ("trunk.encoder.embed_positions.weight", "trunk.projector.weight", "trunk.projector.bias"):
        assert torch.equal(pretrained[name], random[name])
    assert torch.equal(random["trunk.projector.weight"], torch.eye(16))
    assert random["trunk.encoder.embed_positions.weight"].shape == (50, 16)


# --- mirror images


AXES = {"horizontal": [3], "vertical": [2], "both": [2, 3]}


@pytest.mark.parametrize("flips", [[], ["horizontal"], ["vertical", "both"], list(AXES)], ids=str)
def test_an_answer_is_the_mean_over_the_views(ground: GroundOf, flips: list[str]) -> None:
    network, pictures = lessons.network(ground("image")).eval(), tiny.batch("image", 3)["pixel_values"]
    with torch.no_grad():
        views = [network(pixel_values=view) for view in (pictures, *(pictures.flip(AXES[name]) for name in flips))]
        network.flips = flips
        assert torch.allclose(network(pixel_values=pictures), sum(views) / len(views), atol=1e-6)
        assert not flips or not torch.allclose(views[0], views[1], atol=1e-3)


def test_while_it_learns_a_picture_is_seen_once(ground: GroundOf) -> None:
    network = lessons.network(ground("image"))
    network.freeze(1)
    pictures = tiny.batch("image", 3)
    alone = network.train()(**pictures)
    network.flips = ["horizontal"]
    assert torch.equal(network(**pictures), alone)
    assert not torch.equal(network.eval()(**pictures), alone)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A data set of pictures, and nobody to send runs to."""
    monkeypatch.setenv("TRANSFER_THREADS", "1")
    for name in ("deliver", "finish"):
        monkeypatch.setattr(stage.tracking, name, lambda root: None)
    return lessons.write(tmp_path, "image")


def asked(network: Network, ground: Ground) -> Any:
    return inference.compute(
        network, ground.prepared, lessons.TEST, modality("image"), ground.backbone, 4, "float32", "outputs"
    )


def test_the_stage_saves_which_mirror_images_are_seen_and_they_are_in_force(workspace: Workspace) -> None:
    params = lessons.training("image", "lora", augment={"test_flips": ["horizontal", "both"]})
    folder = stage.finetune(params, workspace)
    about, ground = read_json(folder / "pipeline.json"), Ground.of(workspace)
    assert about["flips"] == ["horizontal", "both"] and about["strategy"] == "lora"
    network = networks.load(folder)
    assert network.flips == ["horizontal", "both"]
    together = asked(network, ground)
    network.flips = []
    alone = asked(network, ground)
    pictures = modality("image").collate([ground.prepared[int(row)] for row in lessons.TEST], folder)["pixel_values"]
    with torch.no_grad():
        views = [network.eval()(pixel_values=view) for view in (pictures, pictures.flip([3]), pictures.flip([2, 3]))]
    assert np.allclose(together, torch.stack(views).mean(0).numpy(), atol=1e-5)
    assert not np.allclose(together, alone, atol=1e-3)


def test_the_stage_ends_in_a_model_and_its_history_and_leaves_no_checkpoint(workspace: Workspace) -> None:
    folder = stage.finetune(lessons.training("image", "full"), workspace)
    report = read_json(folder / "training.json")
    assert [entry["epoch"] for entry in report["epochs"]] == [0, 1, 2, 3]
    assert report.keys() == {"epochs", "best_epoch", "head", "parameters", "distance"}
    assert not list((workspace.local / "checkpoints").rglob("*.pt"))
    counted = workspace.counters("finetune-lesson")
    assert counted["epochs"] == 3 and "3 epochs, best " in counted["said"] and "weights moved by " in counted["said"]
    assert json.loads((folder / "pipeline.json").read_text())["flips"] == []


def test_the_stage_tells_how_often_the_frozen_blocks_were_computed(workspace: Workspace) -> None:
    for computed in (len(lessons.VALIDATION), 0):
        stage.finetune(lessons.training("image", "partial", epochs=4, patience=4), workspace)
        counted = workspace.counters("finetune-lesson")
        assert counted["trunk_computed"] == computed
        assert counted["trunk_computed"] + counted["trunk_reused"] == 5 * len(lessons.VALIDATION)


def test_the_stage_killed_and_run_again_writes_the_same_files(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = lessons.training("image", "partial")
    whole = read_json(stage.finetune(params, workspace) / "files.json")
    (workspace.model(params.name) / "files.json").unlink()
    with dying("step", 4), pytest.raises(Killed):
        stage.finetune(params, workspace)
    assert list((workspace.local / "checkpoints").rglob("epoch-00001.pt"))
    assert read_json(stage.finetune(params, workspace) / "files.json") == whole
