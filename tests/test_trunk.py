"""A frozen trunk is asked once about each sample: the training is the same, however little of it is computed."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lessons
import numpy as np
import pytest
import tiny
import torch
from killed import Killed, dying

from tasks.modalities import image, modality
from tasks.neural import feeding, networks, pooling, trunk
from tasks.neural.entering import Entry
from tasks.neural.learning import Ground, Learnt
from tasks.neural.networks import Network
from tasks.schema import DeepTraining
from tasks.store import Store

GroundOf = Callable[[str], Ground]
TURNED = {**lessons.STILL, "flip_horizontal": 0.5, "flip_vertical": 0.5, "quarter_turns": True}
UNCHANGED: dict[str, dict[str, Any]] = {
    "image": lessons.STILL,
    "text": {"word_dropout": 0.0},
    "audio": dict.fromkeys(lessons.AUGMENT["audio"], 0),
}
BLOCKS = {"image": 4, "text": 1, "audio": 1}
"""How many learn, so that the stem and at least one other block are frozen."""
ASKED = len(lessons.TRAIN) + len(lessons.VALIDATION)
ROOM = 2**28
EPOCHS = trunk.LEAST_EPOCHS
RANDOM = {"dropout": 0.2, "average": 0.9, "epochs": EPOCHS, "patience": EPOCHS}


def partial(reads: str, **changes: Any) -> DeepTraining[Any]:
    given = {"blocks": BLOCKS[reads], "augment": UNCHANGED[reads], **RANDOM, **changes}
    return lessons.training(reads, "partial", **given)


@pytest.fixture
def kept(tmp_path: Path) -> Store:
    """A store of the test's own."""
    return Store(tmp_path / "store.sqlite", ROOM)


def learn(ground: Ground, params: DeepTraining[Any], store: Store, scratch: Path, **named: Any) -> Learnt:
    return lessons.learn(params, dataclasses.replace(ground, store=store), scratch, **named)


# --- entering a network


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Network]:
    torch.set_num_threads(1)
    shelf = tmp_path_factory.mktemp("tiny")

    def build(family: str) -> Network:
        reads, folder = tiny.FAMILIES[family].modality, shelf / family
        torch.manual_seed(5)
        directory = folder if folder.exists() else tiny.write(family, folder)
        made = networks.build(reads, directory, None, 1 if reads == "audio" else None, 3)
        made.graft(*(array / 10 for array in tiny.head(made.head.in_features)))
        return made

    return build


def outcome(network: Network, batch: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """The outputs and the gradients of all that learns; what learns has no dropout to differ by."""
    network.train()
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    network.zero_grad()
    outputs = network(**batch)
    outputs.square().sum().backward()
    return [outputs.detach(), *(p.grad.clone() for p in network.parameters() if p.grad is not None)]


def not_to_be_computed(*_: Any) -> None:
    raise AssertionError("a frozen block was computed")


@pytest.mark.parametrize("family", [name for name in tiny.FAMILIES if not name.startswith(pooling.WAVES)])
def test_entered_at_any_block_it_answers_and_learns_as_ever(built: Callable[[str], Network], family: str) -> None:
    network = built(family)
    batch, wrapped = tiny.batch_of(network, 4), [vars(module).get("forward") for module in network.modules()]
    for frozen in range(trunk.LEAST_FROZEN, len(network.blocks)):
        network.freeze(len(network.blocks) - frozen)
        network.entry = Entry(network.trunk, network.blocks, frozen)
        with torch.no_grad():
            hidden = network.entry.reached(lambda: network.features(**batch))
        wanted = outcome(network, batch)
        frozen_layer = network.trunk.get_submodule(network.blocks[1][0].rpartition(".")[0])
        handle = frozen_layer.register_forward_pre_hook(not_to_be_computed)
        found = outcome(network, {**batch, "hidden": hidden})
        handle.remove()
        assert len(found) == len(wanted) > 2
        assert all(torch.allclose(one, other, rtol=1e-5, atol=1e-6) for one, other in zip(found, wanted, strict=True))
        assert not torch.equal(outcome(network, {**batch, "hidden": hidden.roll(1, 0)})[0], found[0])
    assert [vars(module).get("forward") for module in network.modules()] == wrapped
    assert not any(module._forward_pre_hooks for module in network.modules())


# --- the variants of a sample


def test_the_variant_of_a_picture_tells_how_it_is_drawn(ground: GroundOf) -> None:
    params = partial("image", augment=TURNED)
    pictures = torch.rand(64, 3, 32, 32)
    generator = torch.Generator().manual_seed(1)
    variants = image.variants(64, params.augment, generator.clone_state())
    changed = image.augment({"pixel_values": pictures}, params.augment, ground("image").backbone, generator)
    assert variants is not None and sorted(set(variants.tolist())) == list(range(8))
    for picture, variant, found in zip(pictures, variants.tolist(), changed["pixel_values"], strict=True):
        sideways = picture.transpose(1, 2) if variant & 1 else picture
        axes = [axis for axis, bit in ((1, 2), (2, 4)) if variant & bit]
        assert torch.equal(sideways.flip(axes), found)


@pytest.mark.parametrize("reads", lessons.MODALITIES)
def test_what_is_changed_without_end_has_no_variants(reads: str) -> None:
    reader, generator = modality(reads), torch.Generator()
    unchanged = reader.variants(5, partial(reads).augment, generator)
    assert unchanged is not None and unchanged.tolist() == [0] * 5
    for key, value in lessons.AUGMENT[reads].items():
        if key not in ("flip_horizontal", "flip_vertical", "quarter_turns", "test_flips"):
            changed = partial(reads, augment={**UNCHANGED[reads], key: value}).augment
            drawn = reader.variants(5, changed, generator)
            assert (drawn is None) == (key not in ("time_mask_seconds", "frequency_mask_bands")), key


# --- trainings


@pytest.mark.parametrize("reads", lessons.MODALITIES)
def test_each_sample_is_computed_once_and_for_other_trainings_too(
    ground: GroundOf, kept: Store, tmp_path: Path, reads: str
) -> None:
    first = learn(ground(reads), partial(reads), kept, tmp_path / "first")
    spared = EPOCHS * ASKED + len(lessons.VALIDATION) - ASKED
    assert first.counted == {"trunk_computed": ASKED, "trunk_reused": spared}
    other = partial(reads, seed=4, learning_rates={"backbone": 0.002}, unfreeze_every=1)
    assert learn(ground(reads), other, kept, tmp_path / "other").counted == {
        "trunk_computed": 0,
        "trunk_reused": spared + ASKED,
    }
    deeper = partial(reads, blocks=BLOCKS[reads] - 1) if BLOCKS[reads] > 1 else partial(reads, precision="bfloat16")
    assert learn(ground(reads), deeper, kept, tmp_path / "deeper").counted["trunk_computed"] == ASKED


def test_each_way_a_picture_is_turned_is_computed_once(ground: GroundOf, kept: Store, tmp_path: Path) -> None:
    params, material = partial("image", augment=TURNED), lessons.material(ground("image"))
    drawn = {
        (int(row), int(variant))
        for epoch in range(1, EPOCHS + 1)
        for portion in feeding.portions(material, params.batch_size, params.augment, params.seed, epoch)
        if portion.variants is not None
        for row, variant in zip(portion.rows, portion.variants, strict=True)
    }
    counted = learn(ground("image"), params, kept, tmp_path).counted
    assert counted["trunk_computed"] == len(drawn) + len(lessons.VALIDATION)
    assert len(lessons.TRAIN) < len(drawn) < EPOCHS * len(lessons.TRAIN)


@pytest.mark.parametrize("reads", lessons.MODALITIES)
def test_where_samples_change_without_end_validation_alone_is_spared(
    ground: GroundOf, kept: Store, tmp_path: Path, reads: str
) -> None:
    counted = learn(ground(reads), partial(reads, augment=lessons.AUGMENT[reads]), kept, tmp_path).counted
    assert counted == {"trunk_computed": len(lessons.VALIDATION), "trunk_reused": EPOCHS * len(lessons.VALIDATION)}


EXACT = {"image": TURNED, "text": UNCHANGED["text"], "audio": UNCHANGED["audio"]}


@pytest.mark.parametrize(("precision", "tolerance", "alike"), [("float32", 1e-5, EPOCHS), ("bfloat16", 5e-3, 1)])
@pytest.mark.parametrize("reads", lessons.MODALITIES)
def test_it_learns_what_it_would_have_learnt(
    ground: GroundOf, kept: Store, tmp_path: Path, reads: str, precision: str, tolerance: float, alike: int
) -> None:
    """At such rates what bfloat16 rounds off is a hundred times as much two epochs later: `alike` are those before."""
    params = partial(reads, augment=EXACT[reads], precision=precision)
    spared = learn(ground(reads), params, kept, tmp_path / "spared")
    whole = learn(ground(reads), params, Store(tmp_path / "none.sqlite", 0), tmp_path / "whole")
    assert spared.counted and not whole.counted
    assert [entry["epoch"] for entry in spared.report["epochs"]] == list(range(EPOCHS + 1))
    epochs = (learnt.report["epochs"][: alike + 1] for learnt in (spared, whole))
    for one, other in zip(*epochs, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=tolerance)
        assert one.get("train_loss", 0) == pytest.approx(other.get("train_loss", 0), rel=tolerance)
    answers = [answered(learnt.network, ground(reads)) for learnt in (spared, whole)]
    assert precision != "float32" or answers[0] == pytest.approx(answers[1], rel=1e-3, abs=1e-4)
    assert precision != "float32" or (answers[0].argmax(1) == answers[1].argmax(1)).all()
    assert spared.network.entry is None


def answered(network: Network, ground: Ground) -> np.ndarray[Any, Any]:
    reader = modality(network.modality)
    batch = reader.collate([ground.prepared[int(row)] for row in lessons.TEST], ground.backbone)
    with torch.no_grad():
        outputs: np.ndarray[Any, Any] = network.eval()(**batch).numpy()
    return outputs


@pytest.mark.parametrize("emptied", [False, True])
@pytest.mark.parametrize("reads", lessons.MODALITIES)
def test_killed_or_known_before_it_ends_to_the_bit_alike(
    ground: GroundOf, kept: Store, tmp_path: Path, reads: str, emptied: bool
) -> None:
    params = partial(reads, augment=EXACT[reads])
    with dying("step", 4) as listen, pytest.raises(Killed):
        learn(ground(reads), params, kept, tmp_path / "killed", listen=listen)
    if emptied:
        kept.path.unlink()
    found = [learn(ground(reads), params, kept, tmp_path / "killed")]
    found.append(learn(ground(reads), params.model_copy(update={"batch_size": 5}), kept, tmp_path / "batches"))
    found.append(learn(ground(reads), params, kept, tmp_path / "known"))
    new = learn(ground(reads), params, Store(tmp_path / "new.sqlite", ROOM), tmp_path / "new")
    assert found[-1].counted["trunk_computed"] < new.counted["trunk_computed"]
    for learnt in (found[0], found[-1]):
        assert learnt.report == new.report
        assert lessons.equal(learnt.network.state_dict(), new.network.state_dict())


def test_what_the_store_has_no_room_for_is_told_and_computed(
    ground: GroundOf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = partial("audio", augment=UNCHANGED["audio"])
    state = 50 * 16 * 4
    told = []
    for name, samples in (("none", 5), ("validation", 8), ("all", 19)):
        room = int(samples * state / trunk.SHARE)
        told.append(learn(ground("audio"), params, Store(tmp_path / name, room), tmp_path / f"{name}.scratch").counted)
        assert ("what the frozen blocks say takes" in capsys.readouterr().err) == (name != "all")
    assert [counted.get("trunk_computed") for counted in told] == [None, len(lessons.VALIDATION), ASKED]


@pytest.mark.parametrize(
    "changes",
    [{"strategy": "full"}, {"strategy": "lora"}, {"blocks": 2}, {"epochs": EPOCHS - 1}, {"strategy": "scratch"}],
    ids=str,
)
def test_where_nothing_is_gained_nothing_is_kept(
    ground: GroundOf, kept: Store, tmp_path: Path, changes: dict[str, Any]
) -> None:
    given = {"strategy": "partial", "augment": UNCHANGED["text"], "epochs": EPOCHS, "blocks": 1, **changes}
    assert learn(ground("text"), lessons.training("text", **given), kept, tmp_path).counted == {}
    assert not kept.path.exists()


def test_a_network_that_cannot_be_entered_is_computed_whole(
    ground: GroundOf, kept: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Entry, "reached", lambda self, ask: ask()[:, None] * 0)
    learnt = learn(ground("text"), partial("text"), kept, tmp_path)
    assert learnt.counted == {} and not kept.path.exists() and len(learnt.report["epochs"]) > 1
    assert "cannot be entered at block 2: it is computed whole" in capsys.readouterr().err
