"""Vectors of samples in one safetensors file, written as they come: memory holds a part of them at a time."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tasks.objectives import Array

FILE = "features.safetensors"


def write(folder: Path, parts: Iterable[Array], ids: Array, width: int) -> None:
    """Write `features`, float32 [N, width] that come in parts, and `ids`, uint8 [N, 32], as safetensors would.

    The format: 8 bytes that tell how long the header is, the header in JSON with each array's type, shape and place,
    filled up to a multiple of 8, then the arrays (https://github.com/huggingface/safetensors).
    """
    size = 4 * len(ids) * width
    header = json.dumps(
        {
            "features": {"dtype": "F32", "shape": [len(ids), width], "data_offsets": [0, size]},
            "ids": {"dtype": "U8", "shape": list(ids.shape), "data_offsets": [size, size + ids.nbytes]},
        },
        separators=(",", ":"),
    ).encode()
    header += b" " * (-len(header) % 8)
    with (folder / FILE).open("wb") as stream:
        stream.write(len(header).to_bytes(8, "little") + header)
        for part in parts:
            stream.write(np.ascontiguousarray(part, "<f4").data)
        stream.write(np.ascontiguousarray(ids).data)
