"""Spares a training its frozen trunk: what enters the first learning block is computed once for each sample, and kept.

Each sample is asked alone: to the last bit the answer is the same whichever batch, epoch or training asked first, so a
training comes out alike whether the store knew everything, nothing, or was emptied meanwhile. Alone, a picture costs no
more than in a batch, but a text 1.6 times as much in float32 and 2.6 times in bfloat16 (MiniLM, on a Zen 4 core).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tasks import versioning
from tasks.modalities import Arrays, Batch
from tasks.neural import devices, folding, pooling
from tasks.neural.entering import MAP, Entry
from tasks.neural.feeding import Material
from tasks.neural.networks import Network
from tasks.objectives import Array
from tasks.progress import note
from tasks.schema import DeepTraining
from tasks.store import ROOM, Key, Store, keys

LEAST_FROZEN, LEAST_EPOCHS = 2, 4
"""So many blocks, the stem one of them, must be frozen, and so often their answers wanted: else nothing is gained."""
SHARE = 0.5
"""Of the store's room one training may fill: the rest is for what others know."""
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 5e-2}
"""How far the features may be from those of the whole network, in lengths of theirs, when it is tried out."""
TOGETHER = 2**25
"""Bytes that are written to the store at one go."""
DRAWS = 1000
"""From so many samples it is learnt how many exact variants of one there are."""
NAME = "hidden"


@contextmanager
def spared(network: Network, material: Material, params: DeepTraining[Any], store: Store) -> Iterator["Trunk | None"]:
    """Yield what knows the frozen trunk's answers, null where nothing is gained; the network is then as it was."""
    known = _tried(network, material, params, store)
    try:
        yield known
    finally:
        if known is not None:
            known.keep()
        network.entry = None


def _tried(network: Network, material: Material, params: DeepTraining[Any], store: Store) -> "Trunk | None":
    """Return what spares `params` its trunk, where it has one that is worth it; otherwise tell why not."""
    frozen = len(network.blocks) - (params.blocks or len(network.blocks))
    if params.strategy != "partial" or frozen < LEAST_FROZEN or params.epochs < LEAST_EPOCHS or not store.room:
        return None
    if network.trunk.config.model_type in pooling.WAVES:  # asked once for each length; and the stem is most of the work
        return None
    known = Trunk(network, material, params, store, frozen)
    if not known.faithful():
        note(f"{params.name}: {network.directory.name} cannot be entered at block {frozen}: it is computed whole")
        return None
    return known if known.fits(params) else None


class Trunk:
    """Answers what the first learning block is told of a sample.

    `feeds`: of what is learnt from, too, not only of the validation split. `counted`: how many samples, or exact
    variants of one, went through the frozen blocks, and for how many that was spared.
    """

    def __init__(
        self, network: Network, material: Material, params: DeepTraining[Any], store: Store, frozen: int
    ) -> None:
        self.network, self.material, self.store = network, material, store
        self.feeds, self.counted = False, {"trunk_computed": 0, "trunk_reused": 0}
        self._device, self._precision = devices.device(), devices.precision(params.precision)
        self._identity = {
            "what": "hidden state",
            "prepared": material.prepared.about,
            "entered": [frozen, len(network.blocks)],
            "computed": [self._device.type, str(self._precision)],
            "code": versioning.code("finetune", network.modality, "tasks/neural/", "tasks/modalities/"),
        }
        self._lengths = material.modality.lengths(material.prepared)
        self._dtype, self._bytes, self._waiting = self._precision, 0.0, dict[Key, Arrays]()
        self._entry = network.to(self._device).entry = Entry(network.trunk, network.blocks, frozen)
        folding.find(network, material.example)

    def enter(self, rows: Array, inputs: Batch, variants: Tensor | None = None) -> Batch:
        """Return the `inputs` of these rows with `hidden` [B, ...] among them; `variants` int64 [B], null: none."""
        wanted = self._keys(rows, [0] * len(rows) if variants is None else variants.tolist())
        found = self._waiting | self.store.take([key for key in wanted if key not in self._waiting])
        for place, key in enumerate(wanted):
            self.counted["trunk_reused" if key in found else "trunk_computed"] += 1
            if key not in found:
                found[key] = self._waiting[key] = self._computed(inputs, place)
        if sum(array.nbytes for arrays in self._waiting.values() for array in arrays.values()) > TOGETHER:
            self.keep()
        return {**inputs, NAME: self._joined([found[key][NAME] for key in wanted])}

    def keep(self) -> None:
        """Write to the store what it has not got yet."""
        if self._waiting:
            self.store.keep(self._waiting)
        self._waiting = {}

    def _keys(self, rows: Array, variants: list[int]) -> list[Key]:
        names = self.material.prepared.samples["id"].iloc[rows]
        return [
            key
            for name, variant in zip(names, variants, strict=True)
            for key in keys({**self._identity, "variant": variant}, [name])
        ]

    def _computed(self, inputs: Batch, place: int) -> Arrays:
        """Ask the frozen blocks about one sample of a batch, without its padding; bfloat16 lies there as uint16."""
        one = {name: tensor[place : place + 1] for name, tensor in inputs.items()}
        if "attention_mask" in one:
            one = {name: tensor[:, : int(one["attention_mask"].sum())] for name, tensor in one.items()}
        moved = {name: tensor.to(self._device) for name, tensor in one.items()}
        with torch.no_grad(), folding.folded(self.network, frozen=True), self._autocast():
            hidden = self._entry.reached(lambda: self.network.features(**moved))[0]
        self._dtype = hidden.dtype
        kept = hidden.to(self._precision).contiguous().cpu()
        return {NAME: (kept.view(torch.uint16) if self._precision is torch.bfloat16 else kept).numpy()}

    def _joined(self, states: list[Array]) -> Tensor:
        """Return states [B, ...], noughts where one is shorter; maps lie channels_last, as convolutions like."""
        joined = np.zeros((len(states), max(map(len, states)), *states[0].shape[1:]), states[0].dtype)
        for place, state in enumerate(states):
            joined[place, : len(state)] = state
        hidden = torch.from_numpy(joined).view(self._precision).to(self._dtype)
        return hidden.contiguous(memory_format=torch.channels_last) if hidden.ndim == MAP else hidden

    def _autocast(self) -> torch.autocast:
        half = self._precision is torch.bfloat16
        return torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=half)

    def faithful(self) -> bool:
        """Tell whether the network, entered, answers as ever: about the shortest and the longest validation sample."""
        rows = self.material.validation[np.argsort(self._lengths[self.material.validation])[[0, -1]]]
        inputs = self.material.modality.collate(
            [self.material.prepared[int(row)] for row in rows], self.material.backbone
        )
        self.network.eval()
        try:
            states = [self._computed(inputs, place)[NAME] for place in range(len(rows))]
            with torch.no_grad(), folding.folded(self.network, frozen=True), self._autocast():
                whole, entered = (
                    self.network.features(**{name: tensor.to(self._device) for name, tensor in batch.items()})
                    for batch in (inputs, {**inputs, NAME: self._joined(states)})
                )
        except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
            return False
        self._bytes = states[-1].nbytes / self._lengths[rows[-1]]
        return bool((whole - entered).norm() <= TOLERANCE[self._precision] * whole.norm())

    def fits(self, params: DeepTraining[Any]) -> bool:
        """Tell whether the store has room for the validation split; `feeds` says whether for the train split, too."""
        generator = torch.Generator().manual_seed(0)
        drawn = self.material.modality.variants(DRAWS, params.augment, generator)
        kinds = 0 if drawn is None else min(len(np.unique(drawn.numpy())), params.epochs)
        asked = self._bytes * self._lengths[self.material.validation].sum()
        learnt = self._bytes * self._lengths[self.material.train].sum() * kinds
        room = SHARE * self.store.room
        self.feeds = kinds > 0 and asked + learnt <= room
        if asked + learnt > room:
            note(
                f"{params.name}: what the frozen blocks say takes {(asked + learnt) / 2**30:.1f} GiB, of the store "
                f"{room / 2**30:.1f} may be used: they are computed in every epoch (see {ROOM})"
            )
        return bool(asked <= room)
