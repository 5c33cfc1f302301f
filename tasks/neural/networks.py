"""A pretrained network with a linear head on its features, whatever it reads."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tasks.errors import TrainingError
from tasks.neural import architectures, convolutions, pooling, pretrained, processors
from tasks.objectives import Array, Facts
from tasks.schema import LearningRates
from tasks.workspace import read_json

HEAD = "head.safetensors"
"""The head, where the stock class has no place for one."""


def build(modality: str, directory: Path, layers: int | None, window_seconds: int | None, outputs: int) -> "Network":
    """Return the pretrained network in `directory` with a fresh head, all zeros, of `outputs` numbers.

    `layers`: how many of its blocks are kept, null all. `window_seconds`: how much an audio network hears.
    BackboneError if the directory holds no network for `modality`, or none that can be cut so.
    """
    model = pretrained.fresh(modality, directory, layers, window_seconds, outputs)
    network = Network(model, modality, directory, outputs)
    nn.init.zeros_(network.head.weight)
    nn.init.zeros_(network.head.bias)
    return network


def load(directory: Path) -> "Network":
    """Return the network that Network.save wrote to `directory`; its pipeline.json tells the modality."""
    modality = read_json(directory / "pipeline.json")["modality"]
    model = pretrained.saved(modality, directory)
    if not (directory / HEAD).exists():
        return Network(model, modality, directory, model.config.num_labels)
    head = load_file(directory / HEAD)
    network = Network(model, modality, directory, len(head["bias"]))
    network.head.load_state_dict(head)
    return network


class Network(nn.Module):
    """`trunk` turns samples into features [B, D], `head` turns features into outputs [B, K].

    The trunk is a stock model of transformers whose final linear layer, if it has one, was taken out to be the
    head. A batch comes by the names the trunk knows: pixel_values float32 [B, 3, H, W], input_ids and
    attention_mask int64 [B, L], or input_features float32 [B, bands, frames].

    `blocks` are the names of the trunk's parameters from input to output, stem first; what stands between the
    last block and the head belongs to the last. Parameters that never learn are in none.
    """

    def __init__(self, model: Any, modality: str, directory: Path, outputs: int) -> None:
        super().__init__()
        self.modality, self.directory = modality, directory
        architecture = architectures.architecture(model.config.model_type, modality)
        self.parts = architecture.parts(model)
        self.trunk = model
        self.head = self._exchange_head(nn.Identity()) or nn.Linear(model.config.hidden_size, outputs)
        if modality == "audio":
            model.projector.requires_grad_(False)
        learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        found = architectures.blocks(model, self.parts)
        self.blocks = [[name for name in block if name in learning] for block in found]
        convolutions.learn_in_float32(model)
        convolutions.compute_in_float32(model, chain.from_iterable(found[: architecture.exact]))

    def _exchange_head(self, layer: nn.Module) -> Any:
        """Put `layer` where the trunk has its final linear layer and return what stood there; None if nowhere."""
        if self.parts.head is None:
            return None
        stood = self.trunk.get_submodule(self.parts.head)
        self.trunk.set_submodule(self.parts.head, layer)
        return stood

    def features(self, **batch: Tensor) -> Tensor:
        """Return float32 [B, D], what the head reads."""
        return pooling.FEATURES[self.modality](self.trunk, batch).float()

    def forward(self, **batch: Tensor) -> Tensor:
        """Return float32 [B, K] = features @ head.weight.T + head.bias, in float32 under autocast too."""
        features = self.features(**batch)
        with torch.autocast(features.device.type, enabled=False):
            outputs: Tensor = self.head(features)
        return outputs

    def graft(self, weight: Array, bias: Array) -> None:
        """Take over a head learnt elsewhere: float32 weight [K, D] and bias [K]."""
        self.head.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})

    def freeze(self, blocks: int) -> None:
        """Let only the head and the last `blocks` blocks learn; TrainingError if there are not so many.

        The rest takes no gradient, so none is computed through it, and stays in evaluation mode. The statistics of
        every batch normalisation stay what they were, in blocks that learn too: few samples give poor ones, and a
        network that trains on a batch's own and is asked with others is two networks.
        """
        if blocks > len(self.blocks):
            raise TrainingError(f"blocks: {blocks} are to learn and {self.directory.name} has {len(self.blocks)}")
        self.trunk.requires_grad_(False)
        for name in chain.from_iterable(self.blocks[len(self.blocks) - blocks :]):
            self.trunk.get_parameter(name).requires_grad_(True)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Network":
        """Set the mode of the parts that learn; frozen ones stay in evaluation mode, whoever asks."""
        super().train(mode)
        frozen = list(_frozen(self.trunk))
        for module in frozen:
            module.eval()
        for module in self.trunk.modules() if frozen else ():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def groups(self, rates: LearningRates, weight_decay: float) -> list[dict[str, Any]]:
        """Return the optimizer's parameter groups: each block learns slower than the one after it by `decay`.

        Biases and the weights of normalisations (all one-dimensional) do not decay.
        """
        named = dict(self.trunk.named_parameters())
        found = [(rates.head, list(self.head.parameters()))]
        for depth, names in enumerate(reversed(self.blocks)):
            found.append((rates.backbone * rates.decay**depth, [named[name] for name in names]))
        return [
            {"params": params, "lr": rate, "weight_decay": weight_decay if matrices else 0.0}
            for rate, block in found
            for matrices in (True, False)
            if (params := [p for p in block if p.requires_grad and (p.ndim > 1) == matrices])
        ]

    def save(self, directory: Path, facts: Facts, preprocess: dict[str, Any]) -> None:
        """Write the Hugging Face files of the network into `directory`, equal bytes for an equal network.

        `facts` name the outputs, `preprocess` says how samples were prepared: transformers.pipeline does the same.
        """
        processors.describe(self.trunk.config, facts, preprocess)
        self._exchange_head(self.head)
        try:
            with pretrained.quiet():
                self.trunk.save_pretrained(directory)
        finally:
            self._exchange_head(nn.Identity())
        if self.parts.head is None:
            save_file(self.head.state_dict(), directory / HEAD)
        processors.write(self.modality, self.directory, directory, preprocess)


def _frozen(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the largest modules whose parameters, at least one, all take no gradient."""
    learning = [parameter.requires_grad for parameter in module.parameters()]
    if learning and not any(learning):
        yield module
        return
    for child in module.children():
        yield from _frozen(child)
