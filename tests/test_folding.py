"""Folded batch normalisation: the same answers, the same weights afterwards, and only where it stands still."""

from pathlib import Path

import pytest
import tiny
import torch
from torch import nn

from tasks.neural import folding, networks
from tasks.neural.networks import Network

FAMILIES = {"timm": "test_efficientnet", "resnet": "resnet"}


@pytest.fixture(params=FAMILIES)
def network(request: pytest.FixtureRequest, tmp_path: Path) -> Network:
    """A tiny network of each kind, whose normalisations have seen something."""
    torch.manual_seed(0)
    made = networks.build("image", tiny.write(FAMILIES[request.param], tmp_path / "tiny"), None, None, outputs=2)
    for module in made.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    return made.eval()


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def normalisations(network: Network) -> int:
    return sum(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())


def test_the_answers_are_the_same_and_so_are_the_weights_afterwards(network: Network, pictures: torch.Tensor) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    whole = network.features(pixel_values=pictures)
    folding.find(network, lambda: {"pixel_values": pictures[:1]})
    assert network.foldable is not None and len(network.foldable) == normalisations(network) > 3
    asked = []
    hooks = [other.register_forward_hook(lambda module, *_: asked.append(module)) for _, other in network.foldable]
    with folding.folded(network), folding.folded(network):
        changed = [one.weight for one, _ in network.foldable]
        assert torch.allclose(network.features(pixel_values=pictures), whole, rtol=1e-4, atol=1e-5)
    assert len(asked) == len(hooks)
    assert all(one.weight is not other for (one, _), other in zip(network.foldable, changed, strict=True))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert torch.equal(network.features(pixel_values=pictures), whole)


def test_what_learns_is_not_folded_where_only_the_frozen_is(network: Network, pictures: torch.Tensor) -> None:
    folding.find(network, lambda: {"pixel_values": pictures[:1]})
    network.freeze(1)
    network.train()
    network(pixel_values=pictures).sum().backward()
    wanted = {name: one.grad.clone() for name, one in network.named_parameters() if one.grad is not None}
    network.zero_grad(set_to_none=True)
    names = {name for name, _ in network.named_parameters()}
    with folding.folded(network, frozen=True):
        frozen = [one for one, _ in network.foldable or () if one.bias is not None and not one.weight.requires_grad]
        assert 0 < len(frozen) < len(network.foldable or ())
        network(pixel_values=pictures).sum().backward()
    assert {name for name, _ in network.named_parameters()} == names
    found = {name: one.grad for name, one in network.named_parameters() if one.grad is not None}
    assert found.keys() == wanted.keys()
    assert all(torch.allclose(found[name], wanted[name], rtol=1e-3, atol=1e-4) for name in wanted)


def test_statistics_that_learn_are_not_folded(network: Network, pictures: torch.Tensor) -> None:
    folding.find(network, lambda: {"pixel_values": pictures[:1]})
    network.statistics_learn = True
    network.freeze(None)
    network.train()
    with folding.folded(network):
        assert all("forward" not in vars(other) for _, other in network.foldable or ())


def test_a_convolution_that_others_read_too_is_left_alone(network: Network, pictures: torch.Tensor) -> None:
    """A sum of the convolution and its normalisation: folded, it would answer something else."""

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution, self.normalisation = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
            self.normalisation.running_mean = torch.ones(4)
            self.foldable = None

        def features(self, pixel_values: torch.Tensor) -> torch.Tensor:
            convolved = self.convolution(pixel_values)
            return (convolved + self.normalisation(convolved)).mean((2, 3))

    both = Both().eval()
    folding.find(both, lambda: {"pixel_values": pictures[:1]})  # type: ignore[arg-type]
    assert both.foldable == []


def test_an_error_meanwhile_leaves_the_network_as_it_was(network: Network, pictures: torch.Tensor) -> None:
    folding.find(network, lambda: {"pixel_values": pictures[:1]})
    whole = network.features(pixel_values=pictures)
    with pytest.raises(RuntimeError, match="out of memory"), folding.folded(network):
        raise RuntimeError("out of memory")
    assert torch.equal(network.features(pixel_values=pictures), whole)


def test_a_network_without_normalisation_is_not_asked(tmp_path: Path) -> None:
    made = networks.build("text", tiny.write("bert", tmp_path / "tiny"), None, None, outputs=2)
    folding.find(made, lambda: pytest.fail("it was asked"))
    assert made.foldable == []
