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


def _resnet() -> Any:
    sizes = {"embedding_size": 8, "hidden_sizes": [8, 16, 16, 24], "depths": [1, 1, 2, 1]}
    return transformers.ResNetForImageClassification(transformers.ResNetConfig(**sizes, num_labels=5))


def _deit() -> Any:
    """What Facebook published: with the head of a teacher, which nobody here wants."""
    config = transformers.DeiTConfig(image_size=32, patch_size=8, hidden_size=16, num_labels=5, **TRANSFORMER)
    return transformers.DeiTForImageClassificationWithTeacher(config)


def _wave(stock: str, **changes: Any) -> Callable[[], Any]:
    """A network that hears 100 frames a second, each of 320 samples, and as published leaves out and masks much."""
    convolutions = {"conv_dim": (8, 8), "conv_kernel": (40, 8), "conv_stride": (20, 8)}
    places = {"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2}
    lossy = {"layerdrop": 0.5, "hidden_dropout": 0.3, "mask_time_prob": 0.5, "mask_time_length": 2}
    config = getattr(transformers, f"{stock}Config")
    settings = {"hidden_size": 16, **TRANSFORMER, **convolutions, **places, **lossy, **changes}
    return lambda: getattr(transformers, f"{stock}Model")(config(**settings))


def _ast() -> Any:
    """One that hears up to 3 s in 32 bands, and has never been told what positions mean."""
    strides = {"patch_size": 8, "frequency_stride": 8, "time_stride": 8, "num_mel_bins": 32, "max_length": 310}
    config = transformers.ASTConfig(hidden_size=16, **TRANSFORMER, **strides, num_labels=5)
    model = transformers.ASTForAudioClassification(config)
    for name in ("cls_token", "distillation_token", "position_embeddings"):
        torch.nn.init.normal_(getattr(model.audio_spectrogram_transformer.embeddings, name))
    return model


_STABLE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer"}
_WHISPER = {"layers": 3, "attention_heads": 2, "ffn_dim": 32}
_DISTIL = {"dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32}
FAMILIES = {
    "test_efficientnet": Family("image", _timm("test_efficientnet")),
    "test_resnet": Family("image", _timm("test_resnet")),
    "test_convnext": Family("image", _timm("test_convnext")),
    "test_vit": Family("image", _timm("test_vit")),
    "vit": Family("image", _vit),
    "deit": Family("image", _deit),
    "resnet": Family("image", _resnet),
    "bert": Family("text", _text("Bert")),
    "roberta": Family("text", _text("Roberta")),
    "xlm-roberta": Family("text", _text("XLMRoberta")),
    "mpnet": Family("text", _text("MPNet")),
    "distilbert": Family("text", _text("DistilBert", **_DISTIL)),
    "whisper": Family("audio", whisper),
    "wav2vec2": Family("audio", _wave("Wav2Vec2")),
    "wav2vec2-large": Family("audio", _wave("Wav2Vec2", **_STABLE)),
    "hubert": Family("audio", _wave("Hubert")),
    "hubert-large": Family("audio", _wave("Hubert", **_STABLE)),
    "ast": Family("audio", _ast),
}
PROCESSORS: dict[str, Callable[[], Any]] = {
    "vit": lambda: transformers.ViTImageProcessor(size={"height": 32, "width": 32}),
    "deit": lambda: transformers.DeiTImageProcessor(crop_size={"height": 32, "width": 32}),
    "resnet": lambda: transformers.ConvNextImageProcessor(size={"shortest_edge": 32}),
    "whisper": transformers.WhisperFeatureExtractor,
    "wav2vec2": transformers.Wav2Vec2FeatureExtractor,
    "wav2vec2-large": lambda: transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True),
    "hubert": transformers.Wav2Vec2FeatureExtractor,
    "hubert-large": lambda: transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True),
    "ast": lambda: transformers.ASTFeatureExtractor(num_mel_bins=32, max_length=310),
}
"""What a family's directory says of the samples it wants, where config.json does not."""


def write(name: str, directory: Path) -> Path:
    """Write a model directory of a family; batch normalisations know the statistics of a random batch."""
    torch.manual_seed(0)
    model = FAMILIES[name].make()
    if FAMILIES[name].modality == "image":
        for module in model.modules():
            module.momentum = 1.0
        model.train()(**batch("image", 8))
    model.save_pretrained(directory)
    if name in PROCESSORS:
        PROCESSORS[name]().save_pretrained(directory)
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


def batch_of(network: Any, samples: int) -> dict[str, torch.Tensor]:
    """A random batch of what `network` reads; of texts and waves the second is shorter."""
    generator = torch.Generator().manual_seed(1)
    kind = network.trunk.config.model_type
    if kind == "audio-spectrogram-transformer":
        return {"input_values": torch.randn(samples, 100, 32, generator=generator)}
    if kind in ("wav2vec2", "hubert"):
        values, mask = torch.randn(samples, 1600, generator=generator), torch.ones(samples, 1600, dtype=torch.int64)
        values[1, 900:], mask[1, 900:] = 0, 0
        return {"input_values": values, "attention_mask": mask}
    return batch(network.modality, samples)


def head(features: int) -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    """A random head of three outputs."""
    random = np.random.default_rng(2)
    return random.normal(size=(3, features)).astype(np.float32), random.normal(size=3).astype(np.float32)
