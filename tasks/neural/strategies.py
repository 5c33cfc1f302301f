"""What learns under each strategy, and what is done when it has. A strategy is a row of STRATEGIES."""

from collections.abc import Callable
from functools import partial
from typing import Any

from tasks.neural import adapters
from tasks.neural.networks import Network
from tasks.schema import DeepTraining

Finish = Callable[[], None]
"""Makes the trained network a stock one again."""


def begin(network: Network, params: DeepTraining[Any]) -> Finish:
    """Set which parts of `network` learn under `params.strategy`; return what must be called after the training.

    TrainingError where the network has not the parts the strategy asks for.
    """
    network.dropout = params.dropout
    return STRATEGIES[params.strategy](network, params)


def _blocks(network: Network, params: DeepTraining[Any]) -> Finish:
    """The last blocks learn, or all."""
    network.freeze(params.blocks)
    return _nothing


def _lora(network: Network, params: DeepTraining[Any]) -> Finish:
    """Adapters learn in the place of the weights they belong to."""
    assert params.adapters is not None  # noqa: S101 - the configuration is refused otherwise
    handle = adapters.put_in(network, params.adapters)
    network.freeze(params.blocks)
    return partial(adapters.merge, network, handle)


def _scratch(network: Network, params: DeepTraining[Any]) -> Finish:
    """Everything learns, the statistics of batch normalisation too: there are none to keep."""
    network.statistics_learn = True
    network.freeze(None)
    return _nothing


def _nothing() -> None:
    pass


STRATEGIES: dict[str, Callable[[Network, DeepTraining[Any]], Finish]] = {
    "partial": _blocks,
    "full": _blocks,
    "lora": _lora,
    "scratch": _scratch,
}
