"""Networks of every known family: features, heads, freezing, saving, and what transformers.pipeline answers."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import samples
import tiny
import torch

from tasks.errors import BackboneError, TrainingError
from tasks.neural import backbones, networks
from tasks.neural.networks import Network
from tasks.schema import Config, LearningRates
from tasks.workspace import file_hashes

NetworkOf = Callable[[str], Network]
CONVOLUTIONAL = "test_efficientnet"
RATES = LearningRates(head=1.0, backbone=0.1, decay=0.5)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Write the tiny model directory of a family, once; only to be read."""
    shelf = tmp_path_factory.mktemp("tiny")

    def make(name: str) -> Path:
        return shelf / name if (shelf / name).exists() else tiny.write(name, shelf / name)

    return make


@pytest.fixture
def network(directory: Callable[[str], Path]) -> NetworkOf:
    """Build a tiny network of a family with a random head of three outputs, in evaluation mode."""

    def make(name: str) -> Network:
        modality = tiny.FAMILIES[name].modality
        window = 1 if modality == "audio" else None
        made = networks.build(modality, directory(name), None, window, 3)
        made.graft(*tiny.head(made.head.in_features))
        return made.eval()

    return make


def saved(network: Network, folder: Path) -> Path:
    folder.mkdir()
    network.save(folder, tiny.FACTS, tiny.PREPROCESS[network.modality])
    (folder / "pipeline.json").write_text(json.dumps({"modality": network.modality}))
    return folder


def answers(network: Network) -> torch.Tensor:
    with torch.no_grad():
        answer: torch.Tensor = network(**tiny.batch_of(network, 4))
    return answer


def train_a_step(network: Network) -> None:
    network.train()
    optimizer = torch.optim.AdamW(network.groups(RATES, 0.1))
    network(**tiny.batch_of(network, 4)).square().sum().backward()
    optimizer.step()
    network.eval()


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_outputs_are_the_head_on_the_features(network: NetworkOf, family: str) -> None:
    made = network(family)
    with torch.no_grad():
        features = made.features(**tiny.batch_of(made, 4))
    outputs = answers(made)
    assert features.dtype == outputs.dtype == torch.float32
    assert features.shape == (4, made.head.in_features) and outputs.shape == (4, 3)
    assert torch.allclose(features @ made.head.weight.T + made.head.bias, outputs, atol=1e-5)
    assert outputs.std(dim=0).min() > 1e-4


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_blocks_hold_all_that_learns_from_input_to_output(network: NetworkOf, family: str) -> None:
    made = network(family)
    names = [name for block in made.blocks for name in block]
    learning = [name for name, parameter in made.trunk.named_parameters() if parameter.requires_grad]
    assert sorted(names) == sorted(learning) and len(set(names)) == len(names)
    assert len(made.blocks) >= 4 and all(made.blocks)
    stages = [
        int(found[1]) for block in made.blocks if (found := re.search(r"(?:layers?|blocks|stages)\.?(\d+)\.", block[0]))
    ]
    assert stages == sorted(stages) and len(stages) >= len(made.blocks) - 2


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_a_saved_network_answers_alike_and_saves_the_same_bytes(
    network: NetworkOf, family: str, tmp_path: Path
) -> None:
    made = network(family)
    first = saved(made, tmp_path / "first")
    again = networks.load(first).eval()
    assert torch.equal(answers(again), answers(made))
    second = saved(again, tmp_path / "second")
    assert file_hashes(first) == file_hashes(second)
    assert torch.equal(answers(made), answers(again)), "saving leaves the network as it was"
    for path in first.iterdir():
        assert str(tmp_path).encode() not in path.read_bytes()


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_frozen_parts_stay_bit_equal_and_the_rest_learns(network: NetworkOf, family: str, tmp_path: Path) -> None:
    made = network(family)
    made.freeze(1)
    before = {name: tensor.clone() for name, tensor in made.trunk.state_dict().items()}
    train_a_step(made)
    last = set(made.blocks[-1])
    after = networks.load(saved(made, tmp_path / "saved")).trunk.state_dict()
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert changed and changed <= last, "statistics of batch normalisations stay, in blocks that learn too"


def test_no_gradient_is_computed_through_frozen_parts(network: NetworkOf) -> None:
    made = network(CONVOLUTIONAL)
    made.freeze(2)
    graphs = {}
    for number, stage in enumerate(made.trunk.timm_model.blocks):
        stage.register_forward_hook(lambda _m, _i, out, number=number: graphs.update({number: out.requires_grad}))
    made.train()
    made(**tiny.batch("image", 2))
    stages = len(graphs)
    assert [graphs[number] for number in range(stages)] == [False] * (stages - 2) + [True] * 2
    modes = [stage.training for stage in made.trunk.timm_model.blocks]
    assert modes == [False] * (stages - 2) + [True] * 2
    assert not made.trunk.timm_model.bn1.training and not made.trunk.timm_model.bn2.training


def test_freezing_more_blocks_than_there_are_is_refused(network: NetworkOf) -> None:
    with pytest.raises(TrainingError, match="blocks: 9 are to learn and bert has 4"):
        network("bert").freeze(9)


def test_earlier_blocks_learn_slower_and_biases_do_not_decay(network: NetworkOf) -> None:
    made = network("bert")
    made.freeze(2)
    groups = made.groups(RATES, 0.1)
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [
        (1.0, 0.1), (1.0, 0.0), (0.1, 0.1), (0.1, 0.0), (0.05, 0.1), (0.05, 0.0),
    ]  # fmt: skip
    assert all((parameter.ndim > 1) == (group["weight_decay"] > 0) for group in groups for parameter in group["params"])
    grouped = sum(parameter.numel() for group in groups for parameter in group["params"])
    assert grouped == sum(parameter.numel() for parameter in made.parameters() if parameter.requires_grad)


def test_padding_changes_nothing(network: NetworkOf) -> None:
    made = network("bert")
    whole = tiny.batch("text", 2)
    alone = {name: tensor[1:, :4] for name, tensor in whole.items()}
    with torch.no_grad():
        assert torch.allclose(made.features(**whole)[1], made.features(**alone)[0], atol=1e-6)


@pytest.mark.parametrize("family", ["bert", "distilbert", "vit", "whisper"])
def test_a_network_cut_to_its_first_layers_keeps_their_weights(
    directory: Callable[[str], Path], family: str, tmp_path: Path
) -> None:
    modality = tiny.FAMILIES[family].modality
    whole, cut = (networks.build(modality, directory(family), layers, 1, 3) for layers in (None, 2))
    assert len(whole.blocks) == 4 and len(cut.blocks) == 3
    longer = whole.trunk.state_dict()
    assert all(torch.equal(tensor, longer[name]) for name, tensor in cut.trunk.state_dict().items())
    again = networks.load(saved(cut, tmp_path / "saved")).eval()
    assert torch.equal(answers(again), answers(cut.eval()))


@pytest.mark.parametrize(
    ("family", "modality", "layers", "window", "told"),
    [
        (
            "bert",
            "image",
            None,
            None,
            "bert: no backbone for image known here; choose one of deit, resnet, timm_wrapper, vit",
        ),
        ("bert", "text", 7, None, "layers: 7 are asked of bert, which has 3"),
        (CONVOLUTIONAL, "image", 2, None, "layers: test_efficientnet can only be used whole; set it to null"),
        ("whisper", "audio", 2, 9, "window_seconds: 9 of whisper; it hears 1 to 3 seconds"),
    ],
)
def test_what_cannot_be_built_is_told_in_one_line(
    directory: Callable[[str], Path], family: str, modality: str, layers: int | None, window: int | None, told: str
) -> None:
    with pytest.raises(BackboneError) as caught:
        networks.build(modality, directory(family), layers, window, 3)
    assert str(caught.value) == told


def test_weights_that_do_not_fit_their_configuration_are_refused(tmp_path: Path) -> None:
    directory = tiny.write("bert", tmp_path / "odd")
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 4}))
    with pytest.raises(BackboneError, match=r"odd: its weights lack encoder\.layer\.3"):
        networks.build("text", directory, None, None, 3)


def test_a_network_that_brings_its_own_code_is_refused(tmp_path: Path) -> None:
    directory = tiny.write("bert", tmp_path / "odd")
    config = json.loads((directory / "config.json").read_text())
    code = {"model_type": "own", "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}}
    (directory / "config.json").write_text(json.dumps({**config, **code}))
    (directory / "code.py").write_text("raise SystemExit('ran')")
    with pytest.raises(BackboneError, match="odd: no configuration transformers knows") as caught:
        networks.build("text", directory, None, None, 3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("family", ["test_efficientnet", "test_vit", "vit", "deit", "resnet"])
def test_the_image_pipeline_answers_alike_on_oblong_pictures(network: NetworkOf, family: str, tmp_path: Path) -> None:
    from transformers import pipeline

    from tasks.modalities import image

    made = network(family)
    folder = saved(made, tmp_path / "saved")
    picture = samples.picture(90, 50)
    settings = type("Settings", (), {"size": 32, "pixel_limit": 10**6})
    prepared = image.prepare([image.decode(samples.encoded(picture, "PNG"), settings, folder)], settings, folder)
    with torch.no_grad():
        expected = made(**image.collate(prepared, folder)).softmax(-1)[0]
    told = {row["label"]: row["score"] for row in pipeline("image-classification", model=str(folder))(picture)}
    assert [told[label] for label in tiny.FACTS["labels"]] == pytest.approx(expected.tolist(), abs=2e-3)


def test_the_audio_pipeline_answers_alike_on_arrays(network: NetworkOf, tmp_path: Path) -> None:
    from transformers import pipeline

    made = network("whisper")
    folder = saved(made, tmp_path / "saved")
    extractor = json.loads((folder / "preprocessor_config.json").read_text())
    assert extractor["chunk_length"] == 1 and extractor["n_samples"] == 16000
    sound = samples.tone(seconds=0.4).astype(np.float32)
    listener = pipeline("audio-classification", model=str(folder))
    told = {row["label"]: row["score"] for row in listener(sound)}
    mel = listener.feature_extractor(sound, sampling_rate=16000, return_tensors="pt").input_features
    assert mel.shape == (1, 80, 100)
    with torch.no_grad():
        expected = made(input_features=mel).softmax(-1)[0]
    assert [told[label] for label in tiny.FACTS["labels"]] == pytest.approx(expected.tolist(), abs=1e-5)


def test_a_regression_answers_with_the_number_itself(directory: Callable[[str], Path], tmp_path: Path) -> None:
    from transformers import pipeline

    made = networks.build("image", directory(CONVOLUTIONAL), None, None, 1)
    made.graft(np.full((1, made.head.in_features), 2.0, np.float32), np.array([3.0], np.float32))
    folder = tmp_path / "saved"
    folder.mkdir()
    made.save(folder, {"mean": 0.0, "deviation": 1.0}, {"size": 32})
    told = pipeline("image-classification", model=str(folder))(samples.picture(64, 64))
    assert told[0]["label"] == "value" and told[0]["score"] > 1


def test_large_depthwise_convolutions_learn_in_float32_under_autocast() -> None:
    from tasks.neural import convolutions

    model = torch.nn.Sequential(torch.nn.Conv2d(8, 8, 5, groups=8), torch.nn.Conv2d(8, 4, 1))
    inputs = torch.randn(2, 8, 9, 9)
    exact = model(inputs)
    exact.sum().backward()
    wanted = model[0].weight.grad.clone()
    convolutions.learn_in_float32(model)
    model.zero_grad()
    seen = []
    model[0].register_forward_hook(lambda _m, _i, out: seen.append(out.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model(inputs)
    rounded.float().sum().backward()
    assert seen == [torch.bfloat16] and rounded.dtype == torch.bfloat16
    assert torch.allclose(rounded.float(), exact, atol=0.05)
    assert torch.allclose(model[0].weight.grad, wanted, rtol=0.02, atol=0.05)


@pytest.fixture
def real(config: Config, real_root: Path) -> Callable[[str], Path]:
    """Fetch a backbone of params.yaml."""
    return lambda name: backbones.fetch(config.backbones[name], real_root)


def features(network: Network, **batch: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network.eval().features(**batch)


@pytest.mark.integration
def test_the_real_efficientnet_computes_what_timm_computes(real: Callable[[str], Path]) -> None:
    import timm
    from safetensors.torch import load_file

    directory = real("efficientnet-lite0")
    whole = timm.create_model("tf_efficientnet_lite0").eval()
    tensors = load_file(directory / "model.safetensors")
    whole.load_state_dict({name.removeprefix("timm_model."): tensor for name, tensor in tensors.items()})
    pixels = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    network = networks.build("image", directory, None, None, 2)
    with torch.no_grad():
        wanted = whole.forward_head(whole.forward_features(pixels), pre_logits=True)
    assert torch.allclose(features(network, pixel_values=pixels), wanted, atol=1e-4)
    assert len(network.blocks) == 8 and wanted.shape == (2, 1280)


@pytest.mark.integration
def test_the_real_efficientnet_learns_in_its_last_stages_only(real: Callable[[str], Path]) -> None:
    network = networks.build("image", real("efficientnet-lite0"), None, None, 2)
    network.freeze(3)
    before = {name: tensor.clone() for name, tensor in network.trunk.state_dict().items()}
    network.train()
    optimizer = torch.optim.AdamW(network.groups(RATES, 0.01), lr=1e-3)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = network(pixel_values=torch.randn(2, 3, 224, 224))
    outputs.square().sum().backward()
    optimizer.step()
    after = network.trunk.state_dict()
    moved = {name.split(".")[1] + name.split(".")[2] for name in before if not torch.equal(before[name], after[name])}
    assert {name for name in moved if name.startswith("blocks")} == {"blocks4", "blocks5", "blocks6"}
    assert not any(name.startswith(("conv_stem", "bn1")) for name in moved)
    statistics = [name for name in before if "running" in name]
    assert statistics and all(torch.equal(before[name], after[name]) for name in statistics)


@pytest.mark.integration
def test_the_real_sentence_encoder_knows_what_is_alike(real: Callable[[str], Path]) -> None:
    from transformers import AutoTokenizer

    directory = real("all-minilm-l6")
    texts = ["A man is eating food.", "Someone has a meal.", "The stock market fell sharply."]
    batch = AutoTokenizer.from_pretrained(directory)(texts, padding=True, return_tensors="pt")
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    found = features(networks.build("text", directory, None, None, 2), **inputs)
    meal, market = torch.cosine_similarity(found[0], found[1:], dim=-1)
    assert meal > 0.5 > 0.2 > market


@pytest.mark.integration
def test_the_real_pipelines_answer_alike(real: Callable[[str], Path], tmp_path: Path) -> None:
    from transformers import pipeline

    from tasks.modalities import audio, image

    sound, picture = samples.tone(330, 0.6), samples.picture(300, 200)
    cases = (
        ("image", "efficientnet-lite0", None, image, {"size": 224, "pixel_limit": 10**6}, picture),
        ("audio", "whisper-tiny-en", 2, audio, {"window_seconds": 1, "duration_limit_seconds": 9}, sound),
    )
    for modality, name, layers, reads, preprocess, sample in cases:
        network = networks.build(modality, real(name), layers, preprocess.get("window_seconds"), 3)
        network.graft(*(array / 10 for array in tiny.head(network.head.in_features)))
        folder = tmp_path / modality
        folder.mkdir()
        network.save(folder, tiny.FACTS, preprocess)
        settings = SimpleNamespace(**preprocess)
        content = samples.encoded(sample, "PNG") if modality == "image" else samples.recording(sample)
        prepared = reads.prepare([reads.decode(content, settings, folder)], settings, folder)
        with torch.no_grad():
            wanted = network.eval()(**reads.collate(prepared, folder)).softmax(-1)[0]
        told = pipeline(f"{modality}-classification", model=str(folder))(sample)
        scores = {row["label"]: row["score"] for row in told}
        assert [scores[label] for label in tiny.FACTS["labels"]] == pytest.approx(wanted.tolist(), abs=1e-3)
