"""What a network is fed while it learns: the same batches in the same order, however often an epoch is begun anew."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers.trainer_pt_utils import LengthGroupedSampler

from tasks.modalities import Batch, Modality
from tasks.modalities.shards import Chosen, Prepared
from tasks.objectives import Array, Facts, Objective
from tasks.parallel import batched, one_ahead


@dataclass(frozen=True)
class Material:
    """What is learnt from: prepared samples, their targets (in prepared order) and the rows of two splits."""

    prepared: Prepared
    targets: Array
    train: Array
    validation: Array
    modality: Modality
    objective: Objective
    facts: Facts
    backbone: Path

    @cached_property
    def lengths(self) -> list[int]:
        """What each train sample costs to compute."""
        return list(self.modality.lengths(Chosen(self.prepared, self.train)).tolist())

    def example(self) -> Batch:
        """Return a batch of one sample, to try a network with."""
        return self.modality.collate([self.prepared[int(self.train[0])]], self.backbone)

    @cached_property
    def confidence(self) -> Array:
        """How sure the annotators were, float32, in prepared order."""
        return self.prepared.samples["confidence"].to_numpy(np.float32)


class Portion(NamedTuple):
    """One batch: whose it is (rows [B]), inputs by name, targets [B], confidence float32 [B], and its mix.

    `partners` int64 [B] says which sample of the batch is mixed into each, null where none is; `share` is what
    stays of the sample itself. `variants` int64 [B] tells samples apart that were augmented exactly, null where that
    is not so (see Modality.variants). `part` says which of the samples are to be computed, if not all at once.
    """

    rows: Array
    inputs: Batch
    targets: Tensor
    confidence: Tensor
    partners: Tensor | None
    share: float
    variants: Tensor | None = None
    part: slice = slice(None)

    def parts(self, most: int) -> "list[Portion]":
        """Return it in parts of about `most` samples, none of a single one unless all are."""
        cut = batches(range(len(self.rows)), most)
        return [self._replace(part=slice(places[0], places[-1] + 1)) for places in cut]

    def to(self, device: torch.device) -> "Portion":
        """Return it on another device."""
        moved = {name: tensor.to(device) for name, tensor in self.inputs.items()}
        return self._replace(inputs=moved, targets=self.targets.to(device), confidence=self.confidence.to(device))


def portions(material: Material, batch_size: int, augment: Any, seed: int, epoch: int) -> Iterator[Portion]:
    """Yield the augmented batches of one epoch, the next one made meanwhile.

    All that is random is drawn from `seed` and `epoch`: an epoch begun anew is the same again.
    """
    generator = torch.Generator().manual_seed(seed * 100_003 + epoch)

    def make(places: list[int]) -> Portion:
        rows = material.train[places]
        inputs = material.modality.collate([material.prepared[int(row)] for row in rows], material.backbone)
        variants = material.modality.variants(len(rows), augment, generator.clone_state())
        inputs = material.modality.augment(inputs, augment, material.backbone, generator)
        portion = Portion(
            rows,
            inputs,
            torch.as_tensor(material.targets[rows]),
            torch.as_tensor(material.confidence[rows]),
            partners=None,
            share=1.0,
            variants=variants,
        )
        return _mixed(portion, getattr(augment, "mix_up", 0.0), generator)

    yield from one_ahead(make, batches(_order(material, batch_size, generator), batch_size))


def batches(order: Sequence[int], size: int) -> list[list[int]]:
    """Cut into batches of `size`, the last one shorter; a single sample left over joins the batch before it.

    Batch normalisation that learns has nothing to compare a single one with.
    """
    cut = list(batched(order, size))
    if len(cut) > 1 and size > 1 and len(cut[-1]) == 1:
        cut[-2:] = [cut[-2] + cut[-1]]
    return cut


def _order(material: Material, batch_size: int, generator: torch.Generator) -> list[int]:
    """Shuffle; where samples differ in length, like comes with like, so that little is computed on padding."""
    if len(set(material.lengths)) == 1:
        return list(torch.randperm(len(material.train), generator=generator).tolist())
    return list(LengthGroupedSampler(batch_size, lengths=material.lengths, generator=generator))


def _mixed(portion: Portion, alpha: float, generator: torch.Generator) -> Portion:
    """Mix each sample with one of its batch, all by one share of Beta(alpha, alpha) (arXiv:1710.09412)."""
    if not alpha:
        return portion
    drawn = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
    share = float(drawn.beta(alpha, alpha))
    partners = torch.randperm(len(portion.rows), generator=generator)
    inputs = {name: _blend(tensor, tensor[partners], share) for name, tensor in portion.inputs.items()}
    return portion._replace(inputs=inputs, partners=partners, share=share)


def _blend(own: Tensor, other: Tensor, share: float) -> Tensor:
    """Return the mixture; of masks, which are whole numbers, what either lets through."""
    return own * share + other * (1 - share) if own.is_floating_point() else torch.maximum(own, other)
