"""Enters a stock network in its middle: at the first block that learns, with what the frozen ones before it gave.

That is known of no family in particular. A network is asked until it comes to that block, and broken off there; and
it is asked again with the frozen blocks handing on what that block was told the first time.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

MAP = 4
"""The axes of a batch of feature maps [B, C, H, W], or [B, H, W, C]."""


class Entry:
    """The place before block `frozen` of a network's `blocks`, all of which it and the ones after it name.

    Of maps [B, C, H, W] the stem need not be computed either. Of sequences [B, L, D] it is: it costs little, and tells
    the blocks their masks and positions.
    """

    def __init__(self, model: nn.Module, blocks: Sequence[Sequence[str]], frozen: int) -> None:
        self._block = _owners(model, blocks[frozen])[0]
        self._stem = _owners(model, blocks[0])
        self._before = [owner for names in blocks[1:frozen] for owner in _owners(model, names)]

    def reached(self, ask: Callable[[], Any]) -> Tensor:
        """Return what the block is told when `ask` asks the network, of which nothing later is computed."""
        handle = self._block.register_forward_pre_hook(_break_off)
        try:
            ask()
        except _ReachedError as reached:
            return reached.hidden
        finally:
            handle.remove()
        raise RuntimeError("the first learning block was not asked")

    @contextmanager
    def given(self, hidden: Tensor | None) -> Iterator[None]:
        """Let the block be told `hidden`, meanwhile, and nothing before it be computed; null: all is as ever."""
        if hidden is None:
            yield
            return
        skipped = [*self._before, *(self._stem if hidden.ndim == MAP else ())]
        stood = [vars(module).get("forward") for module in skipped]
        handle = self._block.register_forward_pre_hook(lambda _, told: (hidden, *told[1:]))
        try:
            for module in skipped:
                vars(module)["forward"] = lambda *_, **__: hidden
            yield
        finally:
            handle.remove()
            for module, own in zip(skipped, stood, strict=True):
                del vars(module)["forward"]
                if own is not None:
                    vars(module)["forward"] = own


class _ReachedError(Exception):
    def __init__(self, hidden: Tensor) -> None:
        super().__init__()
        self.hidden = hidden


def _break_off(_: nn.Module, told: tuple[Tensor, ...]) -> None:
    raise _ReachedError(told[0])


def _owners(model: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    """Return the largest modules all of whose parameters are among `names`, in their order."""
    found: dict[nn.Module, None] = {}
    for name in names:
        for end in (place for place, letter in enumerate(name) if letter == "."):
            module = model.get_submodule(name[:end])
            if {path for path, _ in module.named_parameters(prefix=name[:end])} <= set(names):
                found[module] = None
                break
    return list(found)
