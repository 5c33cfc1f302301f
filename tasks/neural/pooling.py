"""How each modality's trunk is asked for one vector per sample."""

from typing import Any

import torch
from torch import Tensor


def _of_pictures(trunk: Any, batch: dict[str, Tensor]) -> Tensor:
    """In channels_last, convolutions are three times as fast on CPUs; the weights may lie as they like."""
    pixels = batch["pixel_values"].contiguous(memory_format=torch.channels_last)
    features: Tensor = trunk(pixel_values=pixels).logits
    return features


def _of_texts(trunk: Any, batch: dict[str, Tensor]) -> Tensor:
    """Average the last hidden states over the tokens that are no padding (arXiv:1908.10084)."""
    hidden = trunk(**batch).last_hidden_state.float()
    mask = batch["attention_mask"].unsqueeze(-1)
    features: Tensor = (hidden * mask).sum(1) / mask.sum(1)
    return features


def _of_sounds(trunk: Any, batch: dict[str, Tensor]) -> Tensor:
    """Ask the stock class: Whisper's averages over the window, silence included, AST's takes its first two tokens."""
    if trunk.config.model_type in WAVES:
        return _of_waves(trunk, **batch)
    features: Tensor = trunk(**batch).logits
    return features


WAVES = ("wav2vec2", "hubert")
"""Networks that hear each wave as long as it is and average over its frames."""


def _of_waves(trunk: Any, input_values: Tensor, attention_mask: Tensor) -> Tensor:
    """Average the last hidden states over the frames that are no padding.

    A network whose first normalisation is over time (`feat_extract_norm: group`) would hear padding, and knows no
    mask: waves of one length are asked together and none is padded.
    """
    if trunk.config.feat_extract_norm == "layer":
        features: Tensor = trunk(input_values=input_values, attention_mask=attention_mask).logits
        return features
    lengths, order, found = attention_mask.sum(1), [], []
    for length in sorted(set(lengths.tolist())):
        rows = (lengths == length).nonzero().squeeze(1)
        order.append(rows)
        found.append(trunk(input_values=input_values[rows, :length]).logits)
    return torch.cat(found)[torch.cat(order).argsort()]


FEATURES = {"image": _of_pictures, "text": _of_texts, "audio": _of_sounds}
