"""Low-rank adapters (LoRA, arXiv:2106.09685) by peft: put into a network, trained, merged into its weights."""

from peft import LoraConfig
from peft.tuners.lora import LoraModel
from torch import nn

from tasks.errors import TrainingError
from tasks.neural.networks import Network
from tasks.schema import Adapters

NAME = "adapter"


def put_in(network: Network, settings: Adapters) -> LoraModel:
    """Give every linear layer and pointwise convolution of the blocks an adapter; these are what learns from then on.

    The network answers as before: an adapter's second factor begins at nought. Returns peft's handle on them.
    """
    targets = [_targets(network, names) for names in network.blocks]
    if not any(targets):
        raise TrainingError(f"lora: {network.directory.name} has no linear layer to adapt; choose another strategy")
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=[name for block in targets for name in block],
    )
    handle = LoraModel(network.trunk, config, NAME)
    network.blocks = [
        [f"{name}.lora_{factor}.{NAME}.weight" for name in block for factor in ("A", "B")] for block in targets
    ]
    return handle


def merge(network: Network, handle: LoraModel) -> None:
    """Add the adapters to the weights they belong to and take them out: the network is a stock one again."""
    handle.merge_and_unload()
    network.restore_blocks()


def _targets(network: Network, names: list[str]) -> list[str]:
    """Return the layers among the owners of these parameters that an adapter can be merged into."""
    owners = dict.fromkeys(name.rpartition(".")[0] for name in names)
    return [owner for owner in owners if _adaptable(network.trunk.get_submodule(owner))]


def _adaptable(module: nn.Module) -> bool:
    if isinstance(module, nn.Conv2d):
        return module.groups == 1 and set(module.kernel_size) == {1}
    return isinstance(module, nn.Linear)
