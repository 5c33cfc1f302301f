"""sentence-transformers' `encode` with its defaults: sorted by length, batches of 32, float32."""

import time
from pathlib import Path

from bench.data import Data
from bench.rivals.sentence_embeddings import encoder


def measure(data: Data, work: Path) -> dict[str, float]:
    """Time the encoding, tokens included; there is nothing to prepare."""
    started = time.perf_counter()
    encoder(data.backbone).encode(data.rows["content"].tolist())
    return {"samples": len(data.rows), "preprocess": 0.0, "extract": time.perf_counter() - started}
