"""Adapters: put in they change nothing, they alone learn, and merged they leave a stock network that answers alike."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import torch
from torch import nn

from tasks.errors import TrainingError
from tasks.neural import adapters, networks
from tasks.neural.networks import Network
from tasks.schema import Adapters, LearningRates

FAMILIES = ("test_efficientnet", "test_convnext", "test_vit", "vit", "bert", "mpnet", "distilbert", "whisper")
SETTINGS = Adapters(rank=2, alpha=8, dropout=0.0)
RATES = LearningRates(head=0.01, backbone=0.03, decay=0.9)
NetworkOf = Callable[[str], Network]


@pytest.fixture
def network(directory: Callable[[str], Path]) -> NetworkOf:
    """Build a tiny network of a family with a random head, in evaluation mode."""
    torch.set_num_threads(1)

    def make(name: str) -> Network:
        modality = tiny.FAMILIES[name].modality
        made = networks.build(modality, directory(name), None, 1 if modality == "audio" else None, 3)
        made.graft(*tiny.head(made.head.in_features))
        return made.eval()

    return make


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Write the tiny model directory of a family, once; only to be read."""
    shelf = tmp_path_factory.mktemp("tiny")
    return lambda name: shelf / name if (shelf / name).exists() else tiny.write(name, shelf / name)


def answers(network: Network) -> torch.Tensor:
    with torch.no_grad():
        answer: torch.Tensor = network.eval()(**tiny.batch_of(network, 4))
    return answer


def train(network: Network, steps: int = 3) -> None:
    """Let the network answer 1, 0, -1."""
    optimizer = torch.optim.AdamW(network.groups(RATES, 0.0))
    network.train()
    for _ in range(steps):
        optimizer.zero_grad()
        outputs = network(**tiny.batch_of(network, 4))
        (outputs - torch.tensor([1.0, 0.0, -1.0])).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("family", FAMILIES)
def test_put_in_they_change_no_answer_and_they_alone_learn(network: NetworkOf, family: str) -> None:
    made = network(family)
    before = answers(made)
    adapters.put_in(made, SETTINGS)
    made.freeze(None)
    assert torch.equal(answers(made), before)
    learning = {name for name, parameter in made.named_parameters() if parameter.requires_grad}
    assert learning - {"head.weight", "head.bias"} == {f"trunk.{name}" for block in made.blocks for name in block}
    assert all("lora_" in name for block in made.blocks for name in block)
    train(made)
    grown = {name for name, parameter in made.named_parameters() if parameter.grad is not None}
    assert grown == learning


@pytest.mark.parametrize("family", FAMILIES)
def test_merged_it_is_a_stock_network_that_answers_alike(network: NetworkOf, family: str, tmp_path: Path) -> None:
    made = network(family)
    before, stock, blocks = answers(made), {k: t.clone() for k, t in made.state_dict().items()}, made.blocks
    handle = adapters.put_in(made, SETTINGS)
    made.freeze(None)
    train(made)
    learnt = answers(made)
    assert (learnt - before).abs().max() > 1e-3
    adapters.merge(made, handle)
    after = made.state_dict()
    assert torch.allclose(answers(made), learnt, atol=1e-5 * float(learnt.abs().max().clamp(min=1)))
    assert after.keys() == stock.keys() and made.blocks == blocks
    assert not any(type(module).__module__.startswith("peft") for module in made.modules())
    changed = {name for name, tensor in stock.items() if not torch.equal(tensor, after[name])}
    assert len(changed) > 2
    assert all(after[name].ndim > 1 for name in changed - {"head.bias"}), "biases and normalisations stay"
    folder = tmp_path / "saved"
    folder.mkdir()
    made.save(folder, tiny.FACTS, tiny.PREPROCESS[made.modality])
    (folder / "pipeline.json").write_text(json.dumps({"modality": made.modality}))
    again = networks.load(folder)
    assert torch.equal(answers(again), answers(made))


@pytest.mark.parametrize(
    ("layer", "wanted"),
    [
        (nn.Linear(4, 4), True),
        (nn.Conv2d(4, 8, 1), True),
        (nn.Conv2d(4, 8, 1, stride=2), True),
        (nn.Conv2d(4, 4, 3), False),
        (nn.Conv2d(4, 4, 1, groups=2), False),
        (nn.Conv2d(4, 4, 3, groups=4), False),
        (nn.Conv1d(4, 4, 1), False),
        (nn.Embedding(4, 4), False),
        (nn.LayerNorm(4), False),
    ],
    ids=str,
)
def test_what_can_be_adapted(layer: nn.Module, wanted: bool) -> None:
    assert adapters._adaptable(layer) == wanted


def adapted(network: Network) -> set[str]:
    """Return the paths of the layers that have an adapter."""
    return {name.partition(".lora_")[0] for block in network.blocks for name in block}


@pytest.mark.parametrize("family", ["test_efficientnet", "test_convnext"])
def test_linear_layers_and_pointwise_convolutions_have_one_and_others_none(network: NetworkOf, family: str) -> None:
    made = network(family)
    layers = {name: module for name, module in made.trunk.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)}
    wide = {name for name, module in layers.items() if getattr(module, "kernel_size", (1, 1)) != (1, 1)}
    depthwise = {name for name, module in layers.items() if getattr(module, "groups", 1) > 1}
    adapters.put_in(made, SETTINGS)
    assert wide and depthwise and adapted(made) == layers.keys() - wide - depthwise


@pytest.mark.parametrize(
    ("family", "least", "without"),
    [
        ("bert", {"encoder.layer.0.attention.self.query", "encoder.layer.2.output.dense"}, "embeddings"),
        ("whisper", {"encoder.layers.0.self_attn.v_proj", "encoder.layers.2.fc2"}, "projector"),
    ],
)
def test_which_layers_of_a_transformer_have_one(network: NetworkOf, family: str, least: set[str], without: str) -> None:
    made = network(family)
    adapters.put_in(made, SETTINGS)
    assert least <= adapted(made) and not any(without in name for name in adapted(made))
    assert len(adapted(made)) == 3 * 6, "query, key, value, output and two of the feed-forward part, of each block"


def test_an_adapter_is_of_the_declared_rank_and_scale(network: NetworkOf) -> None:
    made = network("bert")
    handle = adapters.put_in(made, Adapters(rank=4, alpha=8, dropout=0.1))
    layer = made.trunk.get_submodule("encoder.layer.0.intermediate.dense")
    lower, upper = (
        made.trunk.get_parameter(f"encoder.layer.0.intermediate.dense.lora_{k}.adapter.weight") for k in "AB"
    )
    assert lower.shape == (4, 16) and upper.shape == (32, 4) and not upper.any()
    with torch.no_grad():
        upper.normal_()
    weight = layer.get_base_layer().weight.clone()
    adapters.merge(made, handle)
    merged = made.trunk.get_parameter("encoder.layer.0.intermediate.dense.weight")
    assert torch.allclose(merged, weight + 8 / 4 * upper @ lower, atol=1e-6)


def test_the_last_blocks_adapters_learn_alone_if_so_asked(network: NetworkOf) -> None:
    made = network("bert")
    adapters.put_in(made, SETTINGS)
    made.freeze(1)
    learning = {name for name, parameter in made.trunk.named_parameters() if parameter.requires_grad}
    assert learning == set(made.blocks[-1]) and all(".layer.2." in name for name in learning)


def test_a_network_without_such_layers_is_refused(network: NetworkOf) -> None:
    made = network("bert")
    made.blocks = [["embeddings.word_embeddings.weight"], ["encoder.layer.0.output.LayerNorm.weight"]]
    with pytest.raises(TrainingError, match="lora: bert has no linear layer to adapt; choose another strategy"):
        adapters.put_in(made, SETTINGS)
