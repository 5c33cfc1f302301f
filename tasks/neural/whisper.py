"""Converts a Whisper in CTranslate2's format into a Hugging Face model directory."""

import re
import shutil
from pathlib import Path

import numpy as np
import torch
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from tasks.errors import BackboneError
from tasks.neural import ctranslate2
from tasks.neural.pretrained import quiet

ENGLISH_VOCABULARY = 51864
"""Tokens of the English-only models; the multilingual ones have one more, so their special tokens stand later."""

MODULES = {
    "conv1": ["conv1"],
    "conv2": ["conv2"],
    "layer_norm": ["layer_norm"],
    "embeddings": ["embed_tokens"],
    "position_encodings": ["embed_positions"],
    "ffn/layer_norm": ["final_layer_norm"],
    "ffn/linear_0": ["fc1"],
    "ffn/linear_1": ["fc2"],
    "self_attention/layer_norm": ["self_attn_layer_norm"],
    "self_attention/linear_0": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    "self_attention/linear_1": ["self_attn.out_proj"],
    "attention/layer_norm": ["encoder_attn_layer_norm"],
    "attention/linear_0": ["encoder_attn.q_proj"],
    "attention/linear_1": ["encoder_attn.k_proj", "encoder_attn.v_proj"],
    "attention/linear_2": ["encoder_attn.out_proj"],
}
"""CTranslate2's modules as transformers names them; where there are several they are stacked on the first axis."""
PARAMETERS = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias", "encodings": "weight"}
NAME = re.compile(r"(encoder|decoder)/(?:layer_(\d+)/)?(.+)/(weight|bias|gamma|beta|encodings)")


def whisper(weights: Path, target: Path) -> None:
    """Write the verified file as a WhisperForConditionalGeneration directory.

    The stored float16 values become float32, which holds them exactly and is what they are computed in.
    """
    variables = ctranslate2.read(weights, "WhisperSpec")
    try:
        model = WhisperForConditionalGeneration(_config(variables))
    except KeyError as error:
        raise BackboneError(f"{weights.name}: no Whisper, lacks {error}; declare another file") from None
    missing, unexpected = model.load_state_dict(_tensors(variables), strict=False)
    if unexpected or set(missing) - {"proj_out.weight"}:
        raise BackboneError(f"{weights.name}: no Whisper, lacks {missing[:3]} and has {unexpected[:3]}")
    model.tie_weights()
    model.generation_config = _generation(model.config)
    with quiet():
        model.save_pretrained(target)
    WhisperFeatureExtractor(feature_size=model.config.num_mel_bins).save_pretrained(target)
    if weights.with_name("tokenizer.json").exists():
        shutil.copyfile(weights.with_name("tokenizer.json"), target / "tokenizer.json")


def _tensors(variables: ctranslate2.Variables) -> dict[str, torch.Tensor]:
    """Rename the variables and split the stacked projections; keys have no bias in Whisper, the file zeros."""
    tensors = {}
    for name, variable in variables.items():
        parts = NAME.fullmatch(name)
        if parts is None or parts[3] not in MODULES:
            continue
        side, layer, modules = parts[1], f"layers.{parts[2]}." if parts[2] else "", MODULES[parts[3]]
        for module, piece in zip(modules, np.split(variable, len(modules)), strict=True):
            key = f"model.{side}.{layer}{module}.{PARAMETERS[parts[4]]}"
            if key.endswith("k_proj.bias") and not piece.any():
                continue
            tensors[key] = torch.from_numpy(piece.astype(np.float32))
    return tensors


def _config(variables: ctranslate2.Variables) -> WhisperConfig:
    """Read the sizes off the shapes; the special tokens follow from the size of the vocabulary."""
    vocabulary, width = variables["decoder/embeddings/weight"].shape
    heads = int(variables["decoder/num_heads"])
    end = 50256 if vocabulary == ENGLISH_VOCABULARY else 50257
    return WhisperConfig(
        vocab_size=vocabulary,
        d_model=width,
        num_mel_bins=variables["encoder/conv1/weight"].shape[1],
        max_source_positions=len(variables["encoder/position_encodings/encodings"]),
        max_target_positions=len(variables["decoder/position_encodings/encodings"]),
        encoder_layers=_layers(variables, "encoder"),
        decoder_layers=_layers(variables, "decoder"),
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=len(variables["encoder/layer_0/ffn/linear_0/bias"]),
        decoder_ffn_dim=len(variables["decoder/layer_0/ffn/linear_0/bias"]),
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=end + 1,
    )


def _layers(variables: ctranslate2.Variables, side: str) -> int:
    return sum(bool(re.fullmatch(rf"{side}/layer_\d+/ffn/linear_0/bias", name)) for name in variables)


def _generation(config: WhisperConfig) -> GenerationConfig:
    """Say where a transcript begins and ends, and that it has no time stamps."""
    english = config.vocab_size == ENGLISH_VOCABULARY
    return GenerationConfig(
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
        decoder_start_token_id=config.decoder_start_token_id,
        no_timestamps_token_id=50362 if english else 50363,
        is_multilingual=not english,
        max_length=config.max_target_positions,
    )
