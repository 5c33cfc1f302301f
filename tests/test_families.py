"""Every family under every strategy: a step, saved, loaded again with equal answers; and weights as published."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lessons
import pytest
import tiny
import torch
import transformers
from safetensors.torch import load_file, save_file

from tasks import finetune as stage
from tasks.errors import BackboneError
from tasks.extract import extract
from tasks.ingest import ingest
from tasks.neural import movement, networks, strategies
from tasks.neural.networks import Network
from tasks.predict import Predictor
from tasks.preprocess import preprocess
from tasks.schema import AnyDataset, AnyTraining, Backbone, FolderSource, HashSplit, LocalSource
from tasks.workspace import Workspace, read_json, sha256_of

DirectoryOf = Callable[[str], Path]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> DirectoryOf:
    """Write the tiny model directory of a family, once; only to be read."""
    torch.set_num_threads(1)
    shelf = tmp_path_factory.mktemp("tiny")
    return lambda name: shelf / name if (shelf / name).exists() else tiny.write(name, shelf / name)


def build(directory: Path, modality: str, random: bool = False, layers: int | None = None) -> Network:
    torch.manual_seed(5)
    made = networks.build(modality, directory, layers, 1 if modality == "audio" else None, 3, random)
    made.graft(*(array / 10 for array in tiny.head(made.head.in_features)))
    return made


def answers(network: Network) -> torch.Tensor:
    with torch.no_grad():
        answer: torch.Tensor = network.eval()(**tiny.batch_of(network, 4))
    return answer


def learn_a_step(network: Network, strategy: str) -> None:
    """Begin, take two steps as large as show in every weight, finish."""
    params = lessons.training(network.modality, strategy, learning_rates={"head": 0.01, "backbone": 0.01})
    finish = strategies.begin(network, params)
    before = movement.snapshot(network)
    optimizer = torch.optim.AdamW(network.groups(params.learning_rates, 0.0))
    network.train()
    for _ in range(2):  # in the first one, the lower factor of an adapter takes no gradient
        optimizer.zero_grad()
        network(**tiny.batch_of(network, 4)).square().sum().backward()
        optimizer.step()
    movement.check("lesson", network, before)
    finish()


@pytest.mark.parametrize("strategy", ["head", *lessons.OWN])
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_it_learns_and_is_saved_and_answers_alike(
    directory: DirectoryOf, family: str, strategy: str, tmp_path: Path
) -> None:
    made = build(directory(family), tiny.FAMILIES[family].modality, strategy == "scratch")
    before = answers(made)
    if strategy != "head":
        learn_a_step(made, strategy)
        assert not torch.allclose(answers(made), before, atol=1e-4)
    wanted = answers(made)
    assert torch.isfinite(wanted).all()
    made.save(tmp_path, tiny.FACTS, tiny.PREPROCESS[made.modality])
    (tmp_path / "pipeline.json").write_text(json.dumps({"modality": made.modality}))
    assert torch.equal(answers(networks.load(tmp_path)), wanted)


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_what_is_frozen_answers_alike_while_the_rest_learns(directory: DirectoryOf, family: str) -> None:
    """Dropout between frozen blocks, layers left out and random masks would change what the last block is told."""
    made = build(directory(family), tiny.FAMILIES[family].modality)
    made.freeze(1)
    owner = made.trunk.get_submodule(made.blocks[-1][0].rpartition(".")[0])
    told: list[torch.Tensor] = []
    owner.register_forward_pre_hook(lambda _, inputs: told.append(inputs[0].detach().clone()))
    for mode in (False, True, True):
        made.train(mode)(**tiny.batch_of(made, 4))
    each = len(told) // 3
    assert each and all(torch.equal(told[0], told[number * each]) for number in (1, 2))


def test_what_no_strategy_moves_is_in_no_block(directory: DirectoryOf) -> None:
    made = build(directory("wav2vec2"), "audio")
    names = {name for block in made.blocks for name in block}
    never = {name for name, _ in made.trunk.named_parameters()} - names
    assert never == {"wav2vec2.masked_spec_embed", "projector.weight", "projector.bias"}
    assert (made.trunk.config.layerdrop, made.trunk.config.apply_spec_augment) == (0.0, False)


@pytest.mark.parametrize(("family", "place"), [("wav2vec2", 0), ("hubert", 0), ("wav2vec2-large", -1), ("ast", -1)])
def test_a_normalisation_belongs_where_it_computes(directory: DirectoryOf, family: str, place: int) -> None:
    made = build(directory(family), "audio")
    norm = "layernorm.weight" if family == "ast" else "encoder.layer_norm.weight"
    assert [norm in name for name in made.blocks[place]].count(True) >= 1


@pytest.mark.parametrize("family", ["deit", "wav2vec2", "wav2vec2-large", "hubert", "ast"])
def test_cut_to_its_first_layers_it_keeps_their_weights(directory: DirectoryOf, family: str) -> None:
    modality = tiny.FAMILIES[family].modality
    whole, cut = (build(directory(family), modality, layers=layers) for layers in (None, 2))
    assert (len(whole.blocks), len(cut.blocks)) == (4, 3)
    longer = whole.trunk.state_dict()
    assert all(torch.equal(tensor, longer[name]) for name, tensor in cut.trunk.state_dict().items())


def test_a_resnet_can_only_be_used_whole(directory: DirectoryOf) -> None:
    with pytest.raises(BackboneError, match="layers: resnet can only be used whole; set it to null"):
        build(directory("resnet"), "image", layers=2)


@pytest.mark.parametrize("family", ["wav2vec2", "wav2vec2-large", "hubert", "hubert-large"])
def test_a_wave_is_heard_as_if_it_were_alone(directory: DirectoryOf, family: str) -> None:
    made = build(directory(family), "audio").eval()
    batch = tiny.batch_of(made, 4)
    with torch.no_grad():
        together = made.features(**batch)
        for row, length in enumerate(batch["attention_mask"].sum(1).tolist()):
            alone = made.trunk(input_values=batch["input_values"][row : row + 1, :length]).logits[0]
            assert torch.allclose(together[row], alone, atol=1e-5)


def test_ast_keeps_the_middle_of_its_positions_in_time(directory: DirectoryOf) -> None:
    made = build(directory("ast"), "audio")
    name = "audio_spectrogram_transformer.embeddings.position_embeddings"
    whole, cut = load_file(directory("ast") / "model.safetensors")[name][0], made.trunk.state_dict()[name][0]
    bands, times, kept = (32 - 8) // 8 + 1, (310 - 8) // 8 + 1, (100 - 8) // 8 + 1
    first = (times - kept) // 2
    assert cut.shape == (2 + bands * kept, 16) and torch.equal(cut[:2], whole[:2])
    for band in range(bands):
        row = whole[2 + band * times :][first : first + kept]
        assert torch.equal(cut[2 + band * kept :][:kept], row)


@pytest.mark.parametrize(("family", "most"), [("ast", 3), ("whisper", 3)])
def test_a_window_longer_than_it_hears_is_refused(directory: DirectoryOf, family: str, most: int) -> None:
    with pytest.raises(BackboneError, match=f"window_seconds: 4 of {family}; it hears 1 to {most} seconds"):
        networks.build("audio", directory(family), None, 4, 3)


# --- the stages


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody to send runs to."""
    for name in ("deliver", "finish"):
        monkeypatch.setattr(stage.tracking, name, lambda root: None)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", ["resnet", "deit", "wav2vec2", "hubert-large", "ast"])
def test_files_become_a_model_that_answers(
    directory: DirectoryOf,
    family: str,
    precision: str,
    root: Path,
    pictures: FolderSource,
    sounds: FolderSource,
    tiny_dataset: Callable[..., AnyDataset],
    tiny_training: Callable[..., AnyTraining],
) -> None:
    reads = tiny.FAMILIES[family].modality
    name, source = ("solar-cells", pictures) if reads == "image" else ("mandarin-tones", sounds)
    weights = directory(family) / "model.safetensors"
    told = {"name": "tiny", "source": LocalSource(kind="folder", path=directory(family)), "licence": "MIT"}
    backbone = Backbone(**told, format="huggingface", file=weights.name, sha256=sha256_of(weights))
    split = HashSplit(kind="hash", by="sample", salt="a", validation=0.2, test=0.2)
    size = {"preprocess.size": 32} if reads == "image" else {"extract.layers": 2}
    changes = {"backbone": backbone, "ingest.source": source, "ingest.split": split, "extract.precision": precision}
    params, workspace = tiny_dataset(name, changes | size), Workspace(root, name)
    waves = {"augment.frequency_masks": 0} if reads == "audio" and family != "ast" else {}
    training = tiny_training(f"{name}-partial", {"epochs": 2, "blocks": 2, "precision": precision, **waves})
    for step in (ingest, preprocess, extract):
        step(params, workspace)
    folder = stage.finetune(training, workspace)
    files = sorted((root / source.path).rglob("*.*"))[:6]
    answered = Predictor.load(folder).answer([path.read_bytes() for path in files])
    assert len(answered) == 6 and not answered["refused"].any() and answered.notna().all(axis=None)
    assert len(read_json(folder / "training.json")["epochs"]) >= 2


# --- weights as they are published


def rewritten(source: Path, target: Path, changes: Callable[[str], str | None], config: dict[str, Any]) -> Path:
    """Copy a directory with its tensors under other names, or left out (null), and other keys in its config.json."""
    target.mkdir()
    tensors = load_file(source / "model.safetensors")
    renamed = {new: tensor for name, tensor in tensors.items() if (new := changes(name)) is not None}
    save_file(renamed, target / "model.safetensors", metadata={"format": "pt"})
    told = json.loads((source / "config.json").read_text())
    (target / "config.json").write_text(json.dumps({**told, **config}))
    return target


@pytest.mark.parametrize("family", ["wav2vec2", "hubert"])
def test_older_names_and_pretraining_s_own_parts_are_understood(
    directory: DirectoryOf, family: str, tmp_path: Path
) -> None:
    """As Facebook's: a prefix, and the two parts of the normalised weight under the names they had."""
    older = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}

    def rename(name: str) -> str:
        for new, old in older.items():
            name = name.replace(new, old)
        return f"{family}.{name}"

    found = build(rewritten(directory(family), tmp_path / "old", rename, {}), "audio")
    assert torch.equal(answers(found), answers(build(directory(family), "audio")))


def test_older_names_of_bert_are_understood(directory: DirectoryOf, tmp_path: Path) -> None:
    def rename(name: str) -> str:
        return f"bert.{name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta')}"

    found = build(rewritten(directory("bert"), tmp_path / "old", rename, {}), "text")
    assert torch.equal(answers(found), answers(build(directory("bert"), "text")))


@pytest.mark.parametrize("family", ["vit", "deit", "resnet", "ast"])
def test_weights_without_a_head_are_whole(directory: DirectoryOf, family: str, tmp_path: Path) -> None:
    """As google/vit-base-patch16-224-in21k: only the head is begun anew."""
    headless = rewritten(
        directory(family), tmp_path / "headless", lambda name: None if "classifier" in name else name, {}
    )
    modality = tiny.FAMILIES[family].modality
    assert torch.allclose(answers(build(headless, modality)), answers(build(directory(family), modality)), atol=1e-5)


def test_a_directory_of_timm_s_own_on_the_hub_is_read(tmp_path: Path) -> None:
    """As timm/resnet18.a1_in1k: timm's config.json, tensors without a prefix."""
    import timm

    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=7).eval()
    save_file(network.state_dict(), tmp_path / "model.safetensors", metadata={"format": "pt"})
    sight = {"input_size": [3, 64, 64], "mean": [0.4] * 3, "std": [0.3] * 3, "interpolation": "bicubic"}
    told = {"architecture": "test_resnet", "num_classes": 7, "num_features": 96, "pretrained_cfg": sight}
    (tmp_path / "config.json").write_text(json.dumps(told))
    made = networks.build("image", tmp_path, None, None, 3).eval()
    pictures = tiny.batch("image", 2)["pixel_values"]
    with torch.no_grad():
        wanted = network.forward_head(network.forward_features(pictures), pre_logits=True)
        assert torch.allclose(made.features(pixel_values=pictures), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("family", "config", "told"),
    [
        ("vit", {"image_size": 64}, r"odd: vit\.embeddings\.position_embeddings is \[1, 17, 16\] in its weights and"),
        ("bert", {"vocab_size": 60}, r"odd: embeddings\.word_embeddings\.weight is \[50, 16\] in its weights and \[60"),
        ("vit", {"num_channels": 1}, "odd: sees 1 channels; choose one that sees three"),
        ("wav2vec2", {"add_adapter": True}, "odd: .*adapter"),
        ("bert", {"num_attention_heads": 3}, r"odd: cannot be loaded \(.*\); fetch it again or choose another"),
    ],
)
def test_weights_of_another_configuration_are_told_in_one_line(
    directory: DirectoryOf, family: str, config: dict[str, Any], told: str, tmp_path: Path
) -> None:
    odd = rewritten(directory(family), tmp_path / "odd", lambda name: name, config)
    with pytest.raises(BackboneError, match=f"^{told}") as caught:
        build(odd, tiny.FAMILIES[family].modality)
    assert "\n" not in str(caught.value)


def test_roberta_reads_as_many_tokens_as_it_has_positions_after_padding(directory: DirectoryOf) -> None:
    made = build(directory("roberta"), "text").eval()
    for count, fits in ((38, True), (39, False)):
        ids = torch.full((1, count), 5)
        try:
            made.features(input_ids=ids, attention_mask=torch.ones_like(ids))
        except (IndexError, RuntimeError):
            assert not fits
        else:
            assert fits
    assert isinstance(made.trunk, transformers.RobertaModel)
