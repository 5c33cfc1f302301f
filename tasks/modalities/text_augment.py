"""Word dropout (doi:10.3115/v1/P15-1162): tokens vanish from a text, so that no single one decides."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tasks.modalities import Batch
from tasks.schema import TextAugment


def augment(
    batch: Batch, settings: TextAugment, frame: Sequence[int], padding: int, generator: torch.Generator
) -> Batch:
    """Remove each token with probability `word_dropout`; those in `frame` (the text's begin and end) stay.

    The rest closes up, as if the text had been written without them: a mere mask would leave gaps between
    positions that no real text has. Of a text that would lose every token, one stays.
    """
    tokens, attended = batch["input_ids"], batch["attention_mask"].bool()
    draws = torch.rand(tokens.shape, generator=generator).to(tokens.device)
    words = attended & ~torch.isin(tokens, tokens.new_tensor(frame))
    luckiest = draws == draws.masked_fill(~words, -1).amax(1, keepdim=True)
    kept = attended & (~words | (draws >= settings.word_dropout) | luckiest)
    return {**batch, **_closed_up(tokens, kept, padding)}


def _closed_up(tokens: Tensor, kept: Tensor, padding: int) -> Batch:
    """Move the kept tokens together, in their order, and cut the batch to the longest text that is left."""
    order = torch.argsort((~kept).long(), dim=1, stable=True)[:, : int(kept.sum(1).max())]
    mask = kept.gather(1, order)
    return {
        "input_ids": tokens.gather(1, order).masked_fill(~mask, padding),
        "attention_mask": mask.long(),
    }
