"""As many samples as wanted from few: copies of real ones, each with a byte changed, so that none is known already."""

import io
import zlib
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pandas as pd
import soundfile

HEAD, END = 8, 12
"""The bytes of a PNG's signature, and of the chunk it ends with."""


def write(samples: pd.DataFrame, files: Path | None, wanted: int, own: Path) -> None:
    """Write a user's folder of `wanted` samples: table.csv and, unless `files` is null, a file for each.

    `samples` has content, label, group and split; copies keep them, so that no copy is in another split.
    """
    own.mkdir(parents=True)
    rows = []
    for number, row in zip(range(wanted), _endless(samples), strict=False):
        copy, original = divmod(number, len(samples))
        if files is None:
            content = f"{row['content']} {copy}" if copy else str(row["content"])
        else:
            file = files / str(row["content"])
            content = f"{original:06}-{copy:04}{'.wav' if file.suffix != '.png' else '.png'}"
            (own / content).write_bytes(changed(file.read_bytes(), file.suffix, copy))
        rows.append({**row, "content": content, "group": f"{row['group']} {copy}"})
    pd.DataFrame(rows)[["content", "label", "group", "split"]].to_csv(own / "table.csv", index=False)


def _endless(samples: pd.DataFrame) -> Iterator[dict[str, str]]:
    rows = samples.to_dict("records")
    return ({str(name): value for name, value in rows[number % len(rows)].items()} for number in count())


def changed(content: bytes, suffix: str, copy: int) -> bytes:
    """Return a picture or recording that looks or sounds the same and has other bytes for each number `copy`."""
    return _picture(content, copy) if suffix == ".png" else _recording(content, copy)


def _picture(content: bytes, copy: int) -> bytes:
    """Put a comment before a PNG's last chunk."""
    inside = b"tEXt" + b"Comment\0" + str(copy).encode()
    chunk = (len(inside) - 4).to_bytes(4, "big") + inside + zlib.crc32(inside).to_bytes(4, "big")
    return content[:-END] + chunk + content[-END:]


def _recording(content: bytes, copy: int) -> bytes:
    """Write it as a WAV whose first two samples are the number."""
    samples, rate = soundfile.read(io.BytesIO(content), dtype="int16", always_2d=True)
    samples = samples[:, :1].copy()
    samples[0], samples[1] = copy % 128, copy // 128
    written = io.BytesIO()
    soundfile.write(written, samples, rate, format="WAV", subtype="PCM_16")
    return written.getvalue()
