"""What a file gives away without being looked at: its name, number, size, shape and length."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.leaks import names
from tasks.objectives import Array


def table(manifest: pd.DataFrame, raw: Path) -> dict[str, Array]:
    """Return float64 [N, k] of each trace there is of the samples: what is unreadable or missing is NaN."""
    traces = {"running number": _column(manifest["name"].map(names.number))}
    if manifest["path"].isna().all():
        return traces | {"length of the text": _column(manifest["text"].str.len())}
    files = [raw / path for path in manifest["path"]]
    traces["file size"] = np.array([[file.stat().st_size] for file in files], np.float64)
    return traces


def shapes(manifest: pd.DataFrame, raw: Path, modality: str) -> dict[str, Array]:
    """Return what only the header of a picture or recording tells; nothing where samples are texts."""
    if modality not in HEADERS or manifest["path"].isna().any():
        return {}
    name, reads = HEADERS[modality]
    return {name: np.array([reads(raw / path) for path in manifest["path"]], np.float64)}


def _column(values: "pd.Series[Any]") -> Array:
    return values.to_numpy(np.float64)[:, None]


def _picture(file: Path) -> list[float]:
    """Return width, height and their ratio."""
    from PIL import Image

    from tasks.modalities.image import FORMATS

    try:
        with Image.open(file, formats=FORMATS) as image:
            width, height = image.size
    except (OSError, ValueError):
        return [np.nan] * 3
    return [width, height, width / height]


def _recording(file: Path) -> list[float]:
    """Return seconds, samples a second and channels."""
    import soundfile

    try:
        about = soundfile.info(file)
    except (OSError, RuntimeError):
        return [np.nan] * 3
    return [about.frames / about.samplerate, about.samplerate, about.channels]


HEADERS: dict[str, tuple[str, Callable[[Path], list[float]]]] = {
    "image": ("size of the picture", _picture),
    "audio": ("length and rate of the recording", _recording),
}
"""What the header of a file tells, by modality."""
