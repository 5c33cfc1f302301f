"""A plain loop over pictures: float32, channels_last, batches of 32; and the plain training loop's epochs."""

import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from bench.data import Data
from bench.rivals import timm_loop

BATCH, SIDE = 32, 224


def measure(data: Data, work: Path) -> dict[str, float]:
    """Time opening and resizing, the features of what was resized, and the training for each epoch.

    Of an epoch two processes open the pictures again, as in most loops that are written by hand.
    """
    started = time.perf_counter()
    pixels = np.stack([_opened(file) for file in data.rows["content"]])
    prepared = time.perf_counter()
    features(data, pixels)
    extracted = time.perf_counter()
    seconds = {"preprocess": prepared - started, "extract": extracted - prepared}
    if data.epochs:
        timm_loop.train(data, work)
        seconds["epoch"] = (time.perf_counter() - extracted) / data.epochs
    return {"samples": len(data.rows), **seconds}


def features(data: Data, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> torch.Tensor:
    """Return float32 [N, D] of uint8 [N, H, W, 3]."""
    model = timm_loop.pretrained(data, outputs=0).eval()
    mean, deviation = (torch.tensor(model.pretrained_cfg[name]).view(3, 1, 1) for name in ("mean", "std"))
    found = []
    with torch.inference_mode():
        for first in range(0, len(pixels), BATCH):
            batch = torch.from_numpy(pixels[first : first + BATCH]).permute(0, 3, 1, 2).float() / 255
            found.append(model(((batch - mean) / deviation).contiguous(memory_format=torch.channels_last)))
    return torch.cat(found)


def _opened(file: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(Image.open(file).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC))
