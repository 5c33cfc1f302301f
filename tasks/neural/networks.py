"""A pretrained network with a linear head on its features, whatever it reads."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from tasks.errors import TrainingError
from tasks.neural import architectures, convolutions, pooling, pretrained, processors
from tasks.neural.entering import Entry
from tasks.neural.folding import Pair
from tasks.objectives import Array, Facts
from tasks.schema import LearningRates
from tasks.workspace import read_json

HEAD = "head.safetensors"
"""The head, where the stock class has no place for one."""
FLIPS = {"horizontal": [3], "vertical": [2], "both": [2, 3]}
"""The axes of [B, 3, H, W] along which a picture is mirrored."""


def build(
    modality: str, directory: Path, layers: int | None, window_seconds: int | None, outputs: int, random: bool = False
) -> "Network":
    """Return the pretrained network in `directory` with a fresh head, all zeros, of `outputs` numbers.

    `layers`: how many of its blocks are kept, null all. `window_seconds`: how much an audio network hears.
    `random`: the weights are drawn anew, by torch's global generator, as the architecture's authors begin.
    BackboneError if the directory holds no network for `modality`, or none that can be cut so.
    """
    model = pretrained.fresh(modality, directory, layers, window_seconds, outputs)
    if random:
        model = pretrained.unlearnt(modality, model)
    network = Network(model, modality, directory, outputs)
    nn.init.zeros_(network.head.weight)
    nn.init.zeros_(network.head.bias)
    return network


def load(directory: Path) -> "Network":
    """Return the network that Network.save wrote to `directory`; its pipeline.json tells the modality."""
    about = read_json(directory / "pipeline.json")
    modality = about["modality"]
    model = pretrained.saved(modality, directory)
    head = load_file(directory / HEAD) if (directory / HEAD).exists() else None
    network = Network(model, modality, directory, model.config.num_labels if head is None else len(head["bias"]))
    if head is not None:
        network.head.load_state_dict(head)
    network.flips = about.get("flips", [])
    return network


class Network(nn.Module):
    """`trunk` turns samples into features [B, D], `head` turns features into outputs [B, K].

    The trunk is a stock model of transformers whose final linear layer, if it has one, was taken out to be the
    head. A batch comes by the names the trunk knows: pixel_values float32 [B, 3, H, W], input_ids and
    attention_mask int64 [B, L], or of sounds input_features or input_values float32, see tasks.modalities.hearing.

    `blocks` are the names of the trunk's parameters from input to output, stem first; what stands between the
    last block and the head belongs to the last. Parameters that never learn are in none.

    `dropout` is the share of features left out while it learns. `flips` name mirror images of a picture, over which
    and the picture itself it averages its outputs when it answers. `statistics_learn`: whether batch normalisation
    follows the batches it sees. `entry`: where it can be entered with what its frozen blocks gave; see trunk.
    `foldable`: which convolutions can be made one with the normalisation behind, null where that is not known; see
    folding.
    """

    dropout = 0.0
    flips: Sequence[str] = ()
    statistics_learn = False
    entry: Entry | None = None
    foldable: list[Pair] | None = None

    def __init__(self, model: Any, modality: str, directory: Path, outputs: int) -> None:
        super().__init__()
        self.modality, self.directory = modality, directory
        architecture = architectures.architecture(model.config.model_type, modality)
        self.parts = architecture.parts(model)
        self.trunk = model
        self.head = self._exchange_head(nn.Identity()) or nn.Linear(model.config.hidden_size, outputs)
        for name, parameter in model.named_parameters():
            if architecture.never_learns(name):
                parameter.requires_grad_(False)
        learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        found = architectures.blocks(model, self.parts)
        self._own_blocks = [[name for name in block if name in learning] for block in found]
        self._holders: set[str] = set()
        self.restore_blocks()
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
        """Return float32 [B, D], what the head reads.

        With `hidden` in the batch the network is entered there: it is what the block at its `entry` is told.
        """
        with self.entry.given(batch.pop("hidden", None)) if self.entry else nullcontext():
            return pooling.FEATURES[self.modality](self.trunk, batch).float()

    def forward(self, **batch: Tensor) -> Tensor:
        """Return float32 [B, K] = features @ head.weight.T + head.bias, in float32 under autocast too.

        In evaluation mode the mean over the batch and its `flips`.
        """
        if self.training or not self.flips:
            return self._outputs(batch)
        pictures = batch["pixel_values"]
        views = [pictures, *(pictures.flip(FLIPS[name]) for name in self.flips)]
        return torch.stack([self._outputs({**batch, "pixel_values": view}) for view in views]).mean(dim=0)

    def _outputs(self, batch: dict[str, Tensor]) -> Tensor:
        features = functional.dropout(self.features(**batch), self.dropout, self.training)
        with torch.autocast(features.device.type, enabled=False):
            outputs: Tensor = self.head(features)
        return outputs

    def graft(self, weight: Array, bias: Array) -> None:
        """Take over a head learnt elsewhere: float32 weight [K, D] and bias [K]."""
        self.head.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})

    def restore_blocks(self) -> None:
        """Let `blocks` name the network's own parameters (adapters put theirs in the place)."""
        self.blocks = [list(names) for names in self._own_blocks]

    def freeze(self, blocks: int | None) -> None:
        """Let only the head and the last `blocks` blocks learn (null: all of them).

        The rest takes no gradient, so none is computed through it, and stays in evaluation mode. The statistics of
        every batch normalisation stay what they were, in blocks that learn too, unless `statistics_learn`: few
        samples give poor ones, and a network that trains on a batch's own and is asked with others is two networks.
        TrainingError if there are not so many blocks.
        """
        count = len(self.blocks) if blocks is None else blocks
        if count > len(self.blocks):
            raise TrainingError(f"blocks: {count} are to learn and {self.directory.name} has {len(self.blocks)}")
        self.trunk.requires_grad_(False)
        still = chain.from_iterable(self._own_blocks[: len(self.blocks) - count])
        self._holders = {holder for name in still for holder in _holders(name)}
        for name in chain.from_iterable(self.blocks[len(self.blocks) - count :]):
            self.trunk.get_parameter(name).requires_grad_(True)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Network":
        """Set the mode of the parts that learn; frozen ones stay in evaluation mode, whoever asks."""
        super().train(mode)
        for module in _frozen(self.trunk):
            module.eval()
        self._hold_still()
        for module in self._normalisations() if not self.statistics_learn else ():
            module.eval()
        return self

    def _hold_still(self) -> None:
        """Put what holds frozen blocks beside others, and what stands loose in it, in evaluation mode.

        Dropout between frozen blocks, and blocks left out at random, would change what the learning ones are told.
        """
        for path in self._holders:
            holder = self.trunk.get_submodule(path)
            holder.training = False
            for child in holder.children():
                if next(child.parameters(), None) is None:
                    child.eval()

    def _normalisations(self) -> list[nn.Module]:
        return [module for module in self.trunk.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]

    def learning_parts(self) -> dict[str, list[str]]:
        """Return the names, as in state_dict, of what learns at present: of the head, of each block, of statistics."""
        parts = {"the head": [f"head.{name}" for name, _ in self.head.named_parameters()]}
        for number, names in enumerate(self.blocks):
            taking = [f"trunk.{name}" for name in names if self.trunk.get_parameter(name).requires_grad]
            if taking:
                parts[f"block {number}"] = taking
        if self.statistics_learn and self._normalisations():
            parts["the statistics of batch normalisation"] = [f"trunk.{name}" for name, _ in self.trunk.named_buffers()]
        return parts

    def learning_tensors(self) -> dict[str, Tensor]:
        """Return what learns at present, by name, as it lies in the network: what is written there is in force."""
        state = self.state_dict()
        names = chain.from_iterable(self.learning_parts().values())
        return {name: state[name] for name in names if name in state}

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


def _holders(name: str) -> Iterator[str]:
    """Yield the paths of all modules that a parameter belongs to, "" for the outermost."""
    while name:
        name = name.rpartition(".")[0]
        yield name


def _frozen(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the largest modules whose parameters, at least one, all take no gradient."""
    learning = [parameter.requires_grad for parameter in module.parameters()]
    if learning and not any(learning):
        yield module
        return
    for child in module.children():
        yield from _frozen(child)
