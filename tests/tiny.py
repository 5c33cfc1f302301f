"""Networks of each known family with small random weights, made by the family's own configuration."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import transformers

FACTS = {"labels": ["low", "middle", "high"]}
PREPROCESS = {"image": {"size": 32}, "text": {"tokens": 16}, "audio": {"window_seconds": 1}}
TRANSFORMER = {"num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}


class Family(NamedTuple):
    """What it reads and how a model directory of it is made."""

    modality: str
    make: Callable[[], Any]


def _timm(name: str) -> Callable[[], Any]:
    sight = {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}
    told: dict[str, Any] = {"architecture": name, "num_classes": 5, "pretrained_cfg": sight}
    if name == "test_vit":
        told["model_args"] = {"img_size": 32}
    return lambda: transformers.TimmWrapperForImageClassification(transformers.TimmWrapperConfig.from_dict(told))


def _text(stock: str, **changes: Any) -> Callable[[], Any]:
    config = getattr(transformers, f"{stock}Config")
    settings = {"vocab_size": 50, "hidden_size": 16, "max_position_embeddings": 40, **TRANSFORMER, **changes}
    return lambda: getattr(transformers, f"{stock}Model")(config(**settings))


def _vit() -> Any:
    config = transformers.ViTConfig(image_size=32, patch_size=8, hidden_size=16, num_labels=5, **TRANSFORMER)
    return transformers.ViTForImageClassification(config)


def whisper() -> Any:
    """A Whisper of three encoder layers that hears up to 3 s."""
    sides = {f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in _WHISPER.items()}
    tokens = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id"), 1)
    config = transformers.WhisperConfig(
        vocab_size=51864, d_model=16, max_source_positions=150, max_target_positions=20, **sides, **tokens
    )
    return transformers.WhisperForConditionalGeneration(config)


_WHISPER = {"layers": 3, "attention_heads": 2, "ffn_dim": 32}
_DISTIL = {"dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32}
FAMILIES = {
    "test_efficientnet": Family("image", _timm("test_efficientnet")),
    "test_resnet": Family("image", _timm("test_resnet")),
    "test_convnext": Family("image", _timm("test_convnext")),
    "test_vit": Family("image", _timm("test_vit")),
    "vit": Family("image", _vit),
    "bert": Family("text", _text("Bert")),
    "roberta": Family("text", _text("Roberta")),
    "xlm-roberta": Family("text", _text("XLMRoberta")),
    "mpnet": Family("text", _text("MPNet")),
    "distilbert": Family("text", _text("DistilBert", **_DISTIL)),
    "whisper": Family("audio", whisper),
}


def write(name: str, directory: Path) -> Path:
    """Write a model directory of a family; batch normalisations know the statistics of a random batch."""
    torch.manual_seed(0)
    model = FAMILIES[name].make()
    if FAMILIES[name].modality == "image":
        for module in model.modules():
            module.momentum = 1.0
        model.train()(**batch("image", 8))
    model.save_pretrained(directory)
    if name == "vit":
        transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(directory)
    if name == "whisper":
        transformers.WhisperFeatureExtractor().save_pretrained(directory)
    return directory


def batch(modality: str, samples: int) -> dict[str, torch.Tensor]:
    """A random batch; of texts the second is shorter."""
    generator = torch.Generator().manual_seed(1)
    if modality == "image":
        return {"pixel_values": torch.randn(samples, 3, 32, 32, generator=generator)}
    if modality == "audio":
        return {"input_features": torch.randn(samples, 80, 100, generator=generator)}
    mask = torch.ones(samples, 7, dtype=torch.int64)
    mask[1, 4:] = 0
    return {"input_ids": torch.randint(2, 50, mask.shape, generator=generator), "attention_mask": mask}


def head(features: int) -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    """A random head of three outputs."""
    random = np.random.default_rng(2)
    return random.normal(size=(3, features)).astype(np.float32), random.normal(size=3).astype(np.float32)
