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
    """The stock class averages over the window, silence included."""
    features: Tensor = trunk(**batch).logits
    return features


FEATURES = {"image": _of_pictures, "text": _of_texts, "audio": _of_sounds}
