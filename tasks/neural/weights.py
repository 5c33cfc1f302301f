"""Converts EfficientNet-Lite0 and MobileNetV2 as published into Hugging Face model directories."""

import pickle
from pathlib import Path
from typing import Any

import torch
from transformers import TimmWrapperConfig, TimmWrapperForImageClassification

from tasks.errors import BackboneError
from tasks.neural.pretrained import quiet

Tensors = dict[str, torch.Tensor]


def _seen(architecture: str, interpolation: str, mean: list[float], deviation: list[float]) -> dict[str, Any]:
    """Tell in timm's words what a network is, and how it was trained to see the pictures of ImageNet."""
    sight = {"input_size": [3, 224, 224], "interpolation": interpolation, "crop_pct": 0.875}
    return {
        "architecture": architecture,
        "num_classes": 1000,
        "pretrained_cfg": {**sight, "mean": mean, "std": deviation},
    }


EFFICIENTNET_LITE0 = _seen("tf_efficientnet_lite0", "bicubic", [0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
MOBILENET_V2 = _seen("mobilenetv2_100", "bilinear", [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def efficientnet_lite0(weights: Path, target: Path) -> None:
    """Write the verified file, as its authors published it, as a TimmWrapper directory."""
    _convert(weights, target, EFFICIENTNET_LITE0)


def mobilenet_v2(weights: Path, target: Path) -> None:
    """Write the verified file, torchvision's MobileNetV2 of ImageNet, as a TimmWrapper directory."""
    _convert(weights, target, MOBILENET_V2)


def _convert(weights: Path, target: Path, told: dict[str, Any]) -> None:
    """Write a pickle of plain tensors as the network `told`.

    Its tensors bear other names than timm's but stand in the same order: they are matched by order and shape.
    """
    config = TimmWrapperConfig.from_dict(told)
    model = TimmWrapperForImageClassification(config)
    model.load_state_dict(_by_order(_unpickle(weights), model.state_dict(), weights.name))
    with quiet():
        model.save_pretrained(target)


def _unpickle(path: Path) -> Tensors:
    try:
        tensors: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BackboneError(f"{path.name}: no plain tensors in it ({reason}); declare another file") from None
    if not isinstance(tensors, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
        raise BackboneError(f"{path.name}: no plain tensors in it (something around them); declare another file")
    return tensors


def _by_order(tensors: Tensors, wanted: Tensors, name: str) -> Tensors:
    """Give the tensors the wanted names, one after the other; BackboneError where a shape does not fit."""
    if len(tensors) != len(wanted):
        raise BackboneError(f"{name}: has {len(tensors)} tensors, the declared format {len(wanted)}")
    for (key, tensor), (place, model) in zip(tensors.items(), wanted.items(), strict=True):
        if tensor.shape != model.shape:
            raise BackboneError(f"{name}: {key} is {list(tensor.shape)}, {place} wants {list(model.shape)}")
    return dict(zip(wanted, tensors.values(), strict=True))
