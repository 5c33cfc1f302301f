"""Asks a network about many samples: like is batched with like, and the next batch is made meanwhile."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from tasks.modalities import Arrays, Batch, Modality
from tasks.modalities.shards import Chosen
from tasks.neural import devices, folding, memory
from tasks.neural.networks import Network
from tasks.objectives import Array
from tasks.parallel import one_ahead
from tasks.progress import track

What = Literal["outputs", "features"]


def compute(
    network: Network,
    prepared: Sequence[Arrays],
    rows: Array,
    modality: Modality,
    backbone: Path,
    batch_size: int,
    precision: str,
    what: What,
    room: memory.Room | None = None,
    enter: Callable[[Array, Batch], Batch] | None = None,
    shown: str = "",
) -> Array:
    """Return float32 [len(rows), K or D], the network's outputs or features of these rows, in their order.

    The network is left in evaluation mode, on the device there is. `backbone` is the directory whose files say how a
    batch is made; `precision` as in params.yaml. Who asks repeatedly keeps a `room`, so that it is learnt once how many
    samples memory holds, and may have something else `shown` beside the bar. `enter` is given each batch, its rows
    first, and adds to it what is known already.
    """
    device, half = devices.device(), devices.precision(precision) is torch.bfloat16
    network.to(device).eval()
    ask = network if what == "outputs" else network.features
    width = network.head.out_features if what == "outputs" else network.head.in_features
    answers = np.empty((len(rows), width), dtype=np.float32)
    batches = _batches(prepared, rows, modality, batch_size)

    def make(places: Array) -> tuple[Array, Batch]:
        return places, modality.collate([prepared[int(row)] for row in rows[places]], backbone)

    # Else it is not worth it. In bfloat16 it rounds otherwise, so that there it must not depend on who else is asked.
    folds = half or len(batches) > 1
    if folds:
        folding.find(network, lambda: make(batches[0][:1])[1])
    made, room = one_ahead(make, batches), room or memory.Room(batch_size)
    # One autocast around all batches: it converts each weight once and remembers it.
    autocast = torch.autocast(device.type, dtype=torch.bfloat16, enabled=half)
    with torch.inference_mode(), folding.folded(network) if folds else nullcontext(), autocast:
        for places, batch in track(made, shown or what, len(batches)):
            batch = enter(rows[places], batch) if enter else batch
            answers[places] = room.through(len(places), partial(_asked, ask, batch, device))
    return answers


def _asked(ask: Callable[..., torch.Tensor], batch: Batch, device: torch.device, part: slice) -> Array:
    """Return the answers for a part of a batch."""
    moved = {name: tensor[part].to(device) for name, tensor in batch.items()}
    answers: Array = ask(**moved).cpu().numpy()
    return answers


def _batches(prepared: Sequence[Arrays], rows: Array, modality: Modality, size: int) -> list[Array]:
    """Return which places of `rows` go together, the longest first: what does not fit in memory fails at once."""
    order = np.argsort(-modality.lengths(Chosen(prepared, rows)), kind="stable")
    return [order[first : first + size] for first in range(0, len(order), size)]
