"""Texts: integrated gradients on the embeddings of the tokens, summed per token and merged to words.

The empty text has the same special tokens and padding in the place of all others.
"""

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch

from tasks.explaining import Explanation
from tasks.explaining.integrated import asking, parts
from tasks.modalities import Batch
from tasks.modalities.text import tokenizer
from tasks.neural.networks import Network

METHOD = "integrated gradients on the token embeddings, against padding"


def explain(network: Network, batch: Batch, directory: Path, target: int | None) -> Explanation:
    """Return the words as the network read them, special tokens left out if they have no part."""
    known, tokens = tokenizer(directory), batch["input_ids"]
    special = torch.isin(tokens, torch.tensor(known.all_special_ids, device=tokens.device))
    special &= tokens != (-1 if known.unk_token_id is None else known.unk_token_id)
    embed = network.trunk.get_input_embeddings()
    with torch.no_grad():
        sample, nothing = embed(tokens), embed(tokens.masked_fill(~special, known.pad_token_id))
    rest = {name: tensor for name, tensor in batch.items() if name != "input_ids"}
    found, value, empty = parts(asking(network, "inputs_embeds", rest, target), sample, nothing)
    kept = ~special[0]
    each = found.sum(dim=-1)[0][kept].double().cpu().tolist()
    return Explanation(None, words(known, tokens[0][kept].tolist(), each), value, empty, METHOD)


def words(known: Any, tokens: Sequence[int], each: Sequence[float]) -> list[tuple[str, float]]:
    """Merge tokens to words, whose parts add up; `known` is the tokenizer, which alone knows where words begin.

    What a token adds to the decoded text begins a new word if it begins with white space.
    """
    merged: list[tuple[str, float]] = []
    before = ""
    for count, part in enumerate(each, start=1):
        text = known.decode(tokens[:count], clean_up_tokenization_spaces=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, text, strict=False)))
        piece, before = text[same:], text
        if merged and not piece[:1].isspace():
            word, sum_so_far = merged[-1]
            merged[-1] = (word + piece, sum_so_far + part)
        else:
            merged.append((piece.strip(), part))
    return merged
