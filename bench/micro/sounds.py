"""The padded recipe: WhisperFeatureExtractor makes 30 s of every recording, the encoder hears them all in float32."""

import time
from pathlib import Path

import torch
from transformers import AutoFeatureExtractor, WhisperModel

from bench.data import Data
from bench.rivals.trainer_audio import heard

BATCH = 8


def measure(data: Data, work: Path) -> dict[str, float]:
    """Time the spectrograms and the features, by as many of the encoder's layers as ours uses."""
    started = time.perf_counter()
    sounds = heard(data.rows["content"].tolist(), AutoFeatureExtractor.from_pretrained(data.backbone))
    prepared = time.perf_counter()
    encoder = WhisperModel.from_pretrained(data.backbone).get_encoder().eval()
    encoder.layers = encoder.layers[: data.layers]
    with torch.inference_mode():
        for first in range(0, len(sounds), BATCH):
            batch = torch.stack([torch.as_tensor(sound) for sound in sounds[first : first + BATCH]])
            encoder(batch).last_hidden_state.mean(dim=1)
    extracted = time.perf_counter()
    return {"samples": len(data.rows), "preprocess": prepared - started, "extract": extracted - prepared}
