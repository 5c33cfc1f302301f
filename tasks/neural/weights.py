"""Converts EfficientNet-Lite0 as published into a Hugging Face model directory."""

import pickle
from pathlib import Path

import torch
from transformers import TimmWrapperConfig, TimmWrapperForImageClassification

from tasks.errors import BackboneError
from tasks.neural.pretrained import quiet

Tensors = dict[str, torch.Tensor]
PROCESSING = {
    "input_size": [3, 224, 224],
    "interpolation": "bicubic",
    "crop_pct": 0.875,
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
}
"""How the network was trained to see pictures, in timm's words."""


def efficientnet_lite0(weights: Path, target: Path) -> None:
    """Write the verified file, a pickle of plain tensors, as a TimmWrapper directory.

    Its tensors bear other names than timm's but stand in the same order: they are matched by order and shape.
    """
    told = {"architecture": "tf_efficientnet_lite0", "num_classes": 1000, "pretrained_cfg": PROCESSING}
    config = TimmWrapperConfig.from_dict(told)
    model = TimmWrapperForImageClassification(config)
    model.load_state_dict(_by_order(_unpickle(weights), model.state_dict(), weights.name))
    with quiet():
        model.save_pretrained(target)


def _unpickle(path: Path) -> Tensors:
    try:
        tensors: Tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BackboneError(f"{path.name}: no plain tensors in it ({reason}); declare another file") from None
    return tensors


def _by_order(tensors: Tensors, wanted: Tensors, name: str) -> Tensors:
    """Give the tensors the wanted names, one after the other; BackboneError where a shape does not fit."""
    if len(tensors) != len(wanted):
        raise BackboneError(f"{name}: has {len(tensors)} tensors, the declared format {len(wanted)}")
    for (key, tensor), (place, model) in zip(tensors.items(), wanted.items(), strict=True):
        if tensor.shape != model.shape:
            raise BackboneError(f"{name}: {key} is {list(tensor.shape)}, {place} wants {list(model.shape)}")
    return dict(zip(wanted, tensors.values(), strict=True))
