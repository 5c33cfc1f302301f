"""Explanations must be true: networks into which a cause was planted, and parts that add up to what they explain."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import nn

from tasks.explaining import Explanation, audio, explainer, image, text
from tasks.explaining.asked import score
from tasks.neural import networks
from tasks.neural.networks import Network

TARGET = 1


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Write the tiny model directory of a family, once; only to be read."""
    shelf = tmp_path_factory.mktemp("tiny")
    return lambda name: shelf / name if (shelf / name).exists() else tiny.write(name, shelf / name)


@pytest.fixture
def network(directory: Callable[[str], Path]) -> Callable[[str], Network]:
    """A tiny network of a family with a random head, that learns nothing: as a frozen backbone and its head are."""

    def make(name: str) -> Network:
        modality = tiny.FAMILIES[name].modality
        made = networks.build(modality, directory(name), None, 1 if modality == "audio" else None, 3)
        made.graft(*tiny.head(made.head.in_features))
        made.requires_grad_(False)
        return made.eval()

    return make


def one(modality: str) -> dict[str, torch.Tensor]:
    return {name: tensor[:1] for name, tensor in tiny.batch(modality, 2).items()}


def total(found: Explanation) -> float:
    return float(sum(part for _, part in found.words) if found.map is None else found.map.sum(dtype=np.float64))


def numbered(_directory: Path) -> Any:
    """A tokenizer whose tokens are words of their own, [PAD] 0 and the special ones below 4."""
    return SimpleNamespace(
        all_special_ids=[0, 1, 2, 3], unk_token_id=1, pad_token_id=0, decode=lambda ids, **_: " ".join(map(str, ids))
    )


@pytest.mark.parametrize("family", [name for name, kind in tiny.FAMILIES.items() if kind.modality == "text"])
def test_the_parts_of_the_words_add_up(
    network: Callable[[str], Network], monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    monkeypatch.setattr(text, "tokenizer", numbered)
    made, batch = network(family), one("text")
    found = text.explain(made, batch, Path(), TARGET)
    with torch.no_grad():
        assert found.value == pytest.approx(float(score(made(**batch), TARGET)), abs=1e-5)
    assert found.nothing is not None and abs(found.value - found.nothing) > 1e-3
    assert total(found) == pytest.approx(found.value - found.nothing, abs=1e-3)


@pytest.mark.parametrize("target", [0, 2, None])
def test_the_parts_of_a_recording_add_up(network: Callable[[str], Network], target: int | None) -> None:
    made = network("whisper")
    found = audio.explain(made, one("audio"), Path(), target)
    assert found.map is not None and found.map.shape == audio.CELLS and found.nothing is not None
    assert total(found) == pytest.approx(found.value - found.nothing, abs=1e-3)


@pytest.mark.parametrize("family", [name for name, kind in tiny.FAMILIES.items() if kind.modality == "image"])
def test_every_family_of_pictures_can_be_explained(network: Callable[[str], Network], family: str) -> None:
    made = network(family)
    pixels = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    maps = [image.explain(made, {"pixel_values": pixels}, Path(), target).map for target in range(3)]
    assert all(found is not None and found.ndim == 2 and (found >= 0).all() for found in maps)
    assert any(found is not None and found.any() for found in maps)
    method = image.explain(made, {"pixel_values": pixels}, Path(), 0).method
    assert method == (image.OF_TOKENS if family in ("deit", "vit", "test_vit") else image.OF_MAPS)


def test_the_same_again_gives_the_same_bits(network: Callable[[str], Network]) -> None:
    made, batch = network("whisper"), one("audio")
    first, second = (audio.explain(made, batch, Path(), TARGET).map for _ in range(2))
    assert first is not None and second is not None and first.tobytes() == second.tobytes()


def test_the_word_that_decides_is_found(network: Callable[[str], Network], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only token 40 carries what the head asks for: its embedding is the head's own direction, far from all others."""
    monkeypatch.setattr(text, "tokenizer", numbered)
    planted = Planted()
    batch = {"input_ids": torch.tensor([[2, 11, 12, 40, 13, 3]]), "attention_mask": torch.ones(1, 6, dtype=torch.int64)}
    found = text.explain(planted, batch, Path(), TARGET)  # type: ignore[arg-type]
    parts = dict(found.words)
    assert list(parts) == ["11", "12", "40", "13"]
    assert parts["40"] == pytest.approx(found.value - (found.nothing or 0.0), rel=1e-3)
    assert all(abs(parts[word]) < 1e-4 for word in ("11", "12", "13"))
    against = text.explain(planted, batch, Path(), 0)  # type: ignore[arg-type]
    assert dict(against.words)["40"] < -1


class Planted(nn.Module):
    """A network that answers by whether any token is number 40."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Module()
        self.table = nn.Embedding(50, 4)
        nn.init.zeros_(self.table.weight)
        with torch.no_grad():
            self.table.weight[:, 0] = torch.linspace(-1, 1, 50)
            self.table.weight[40, 3] = 3.0
        self.trunk.get_input_embeddings = lambda: self.table  # type: ignore[assignment]

    def forward(self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        told = inputs_embeds[..., 3].mul(attention_mask).amax(dim=1).tanh() * 4
        return torch.stack([-told, told], dim=1)


def test_the_place_that_decides_is_found(network: Callable[[str], Network]) -> None:
    """A real network whose last stage keeps places, with a head for its own features of a bright corner."""
    made = network("test_efficientnet")
    dark = torch.zeros(1, 3, 128, 128)
    bright = dark.clone()
    bright[..., :32, 96:] = 3 * torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        change = made.features(pixel_values=bright) - made.features(pixel_values=dark)
        made.head.weight.copy_(torch.cat([-change, change, 0 * change]) / change.norm() ** 2 * 10)
        made.head.bias.zero_()
    found = image.explain(made, {"pixel_values": bright}, Path(), TARGET).map
    assert found is not None and found.shape == (4, 4)
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert row <= 1 and column >= 2
    assert found[:2, 2:].sum() > 0.6 * found.sum()


def test_of_tokens_the_place_that_decides_is_found(network: Callable[[str], Network]) -> None:
    made = network("vit")
    plain = torch.zeros(1, 3, 32, 32)
    marked = plain.clone()
    marked[..., 24:, :8] = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0)) * 5
    with torch.no_grad():
        change = made.features(pixel_values=marked) - made.features(pixel_values=plain)
        made.head.weight.copy_(torch.cat([-change, change, 0 * change]) / change.norm() ** 2 * 10)
        made.head.bias.zero_()
    found = image.explain(made, {"pixel_values": marked}, Path(), TARGET).map
    assert found is not None and found.shape == (4, 4)
    assert np.unravel_index(found.argmax(), found.shape) == (3, 0)


@pytest.mark.parametrize("name", ["input_features", "input_values"])
def test_the_moment_and_the_pitch_that_decide_are_found(name: str) -> None:
    """The answer listens to bands 20 to 29 of frames 60 to 69 only, whichever way round the spectrogram comes."""

    def answer(**batch: torch.Tensor) -> torch.Tensor:
        mel = batch[name] if name == "input_features" else batch[name].transpose(1, 2)
        told = mel[:, 20:30, 60:70].mean(dim=(1, 2)).tanh()
        return torch.stack([-told, told], dim=1)

    mel = torch.rand(1, 80, 96, generator=torch.Generator().manual_seed(0))
    batch = {name: mel if name == "input_features" else mel.transpose(1, 2)}
    found = audio.explain(answer, batch, Path(), TARGET)  # type: ignore[arg-type]
    assert found.map is not None and found.map.shape == (16, 48)
    assert found.map[4:6, 30:35].sum() == pytest.approx(total(found), rel=1e-4)
    assert total(found) == pytest.approx(found.value - (found.nothing or 0.0), rel=1e-3)


def test_a_network_that_hears_the_wave_is_explained_over_time() -> None:
    def answer(**batch: torch.Tensor) -> torch.Tensor:
        told = batch["input_values"][:, 800:1000].square().mean(dim=1)
        return torch.stack([-told, told], dim=1)

    wave = torch.randn(1, 4800, generator=torch.Generator().manual_seed(0))
    found = audio.explain(answer, {"input_values": wave}, Path(), TARGET).map  # type: ignore[arg-type]
    assert found is not None and found.shape == (1, 48)
    assert found[0, 8:10].sum() == pytest.approx(found.sum(), rel=1e-4)


def test_tokens_are_merged_to_words(tmp_path: Path) -> None:
    from project import backbone

    from tasks.modalities.text import tokenizer

    backbone(tmp_path / "backbone")
    known = tokenizer(tmp_path / "backbone")
    tokens = known("amber fox teal", add_special_tokens=False)["input_ids"]
    pieces = known.convert_ids_to_tokens(tokens)
    assert pieces == ["amber", "f", "##o", "##x", "teal"]
    merged = text.words(known, tokens, [1.0, 2.0, 3.0, 4.0, 5.0])
    assert merged == [("amber", 1.0), ("fox", 9.0), ("teal", 5.0)]


def test_cells_sum_and_never_lose() -> None:
    array = np.random.default_rng(0).normal(size=(80, 101))
    found = audio.cells(array, (16, 48))
    assert found.shape == (16, 48)
    assert found.sum(dtype=np.float64) == pytest.approx(array.sum(), abs=1e-4)
    assert audio.cells(array[:3, :5], (16, 48)).shape == (3, 5)


def test_log_odds_are_those_of_the_softmax() -> None:
    outputs = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    share = outputs.softmax(dim=1)[:, 2]
    assert torch.allclose(score(outputs, 2), (share / (1 - share)).log(), atol=1e-5)
    assert torch.equal(score(outputs[:, :1], None), outputs[:, 0])


def test_mirrored_views_are_left_out_and_come_back(network: Callable[[str], Network]) -> None:
    made = network("test_efficientnet")
    made.flips = ["horizontal"]
    plain = network("test_efficientnet")
    batch = {"pixel_values": torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))}
    ours, theirs = (explainer("image").explain(one, batch, Path(), TARGET) for one in (made, plain))
    assert ours.map is not None and theirs.map is not None and np.array_equal(ours.map, theirs.map)
    assert made.flips == ["horizontal"]
