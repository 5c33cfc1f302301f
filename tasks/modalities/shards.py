"""Prepared samples on disk: many to a safetensors file, each one read by itself without loading its file."""

import math
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pandas as pd
from safetensors import safe_open
from safetensors.numpy import save

from tasks.errors import TrainingError
from tasks.modalities import Arrays
from tasks.workspace import read_json, write_json

if TYPE_CHECKING:
    from tasks.schema import AnyDataset

INDEX = "shards.json"
OFFSETS = ".offsets"
"""Suffix of the int64 [n + 1] that says where each sample's part of a ragged array begins and ends."""


OPEN = 32
"""How many shards are held open: what was read of each takes memory until it is closed."""


def arranged(ids: Sequence[str], about: int) -> list[range]:
    """Return for each shard which samples lie in it: by the first bits of their ids, which are sorted sha256.

    There are so many shards, a power of two, that each has half of `about` to `about` samples on average. More samples
    then leave those shards as they are that they do not fall into, until there are twice as many.
    """
    count = 2 ** max(0, math.ceil(math.log2(max(len(ids), 1) / about)))
    places = [int(identity[:8], 16) * count >> 32 for identity in ids]
    ends = np.searchsorted(places, np.arange(count), side="right").tolist()
    return [range(first, beyond) for first, beyond in zip([0, *ends], ends, strict=False)]


def write_shards(folder: Path, batches: Iterable[Sequence[Arrays]]) -> list[int]:
    """Write each batch of samples into a shard of its own, and how many each holds into shards.json.

    All samples have the same arrays. Those of one shape are stacked [n, ...]; those whose first axis differs
    are laid end to end, with their offsets. Equal samples give equal bytes. A batch of none has no file. Returns
    the counts.
    """
    counts = [write_shard(folder, number, batch) for number, batch in enumerate(batches)]
    write_json(folder / INDEX, counts)
    return counts


def write_shard(folder: Path, number: int, samples: Sequence[Arrays]) -> int:
    """Write these samples as shard `number`, over the one that may be there; return how many they are."""
    path = shard_path(folder, number)
    path.unlink(missing_ok=True)
    if samples:
        path.write_bytes(save(_joined(samples)))
    return len(samples)


def shard_path(folder: Path, number: int) -> Path:
    """Return where shard `number` lies."""
    return folder / f"shard-{number:05d}.safetensors"


def _joined(samples: Sequence[Arrays]) -> Arrays:
    """Put the samples' arrays together by name."""
    joined: Arrays = {}
    for name in sorted(samples[0]):
        arrays = [sample[name] for sample in samples]
        if len({array.shape for array in arrays}) == 1:
            joined[name] = np.stack(arrays)
        else:
            joined[name] = np.concatenate(arrays)
            joined[name + OFFSETS] = np.cumsum([0, *(len(array) for array in arrays)], dtype=np.int64)
    # safetensors writes an array's memory as it lies: one that is stored by columns would come back garbled.
    return {name: np.ascontiguousarray(array) for name, array in joined.items()}


def _opened(path: Path) -> Any:
    return safe_open(path, framework="numpy")


class Shard:
    """One open shard. The file is mapped into memory; only the bytes of the samples asked for are read."""

    def __init__(self, path: Path) -> None:
        self._file = _opened(path)
        names = set(self._file.keys())
        self._offsets = {
            name.removesuffix(OFFSETS): self._file.get_tensor(name) for name in names if name.endswith(OFFSETS)
        }
        self._names = sorted(name for name in names if not name.endswith(OFFSETS))

    def sample(self, position: int) -> Arrays:
        """Return the arrays of the sample at `position`, as copies of its own."""
        return {name: self._array(name, position) for name in self._names}

    def count(self, flag: str) -> int:
        """Return of how many of its samples the array `flag`, bool [], is true."""
        return int(self._file.get_tensor(flag).sum())

    def _array(self, name: str, position: int) -> "np.ndarray[Any, Any]":
        stored = self._file.get_slice(name)
        if name in self._offsets:
            first, beyond = self._offsets[name][position : position + 2].tolist()
            return np.asarray(stored[first:beyond])
        return np.asarray(stored[position])


class Prepared(Sequence[Arrays]):
    """A folder that preprocess wrote, as a sequence of samples in the order of `samples`.

    Shards are opened when asked for, and OPEN of them stay so. Threads may share it. A process that gets it by pickle
    (spawn) opens the files itself; one that inherits it (fork) goes on with what is open, for nothing in it moves.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ends: list[int] = np.cumsum(read_json(folder / INDEX), dtype=np.int64).tolist()
        self._shards: OrderedDict[int, Shard] = OrderedDict()

    def __reduce__(self) -> "tuple[type[Prepared], tuple[Path]]":
        return Prepared, (self.folder,)

    @cached_property
    def about(self) -> dict[str, Any]:
        """Return prepared.json: modality, objective, preprocess, backbone."""
        return dict(read_json(self.folder / "prepared.json"))

    @cached_property
    def samples(self) -> pd.DataFrame:
        """Return samples.parquet: id, label, group, split, name, confidence; row i describes `self[i]`."""
        return pd.read_parquet(self.folder / "samples.parquet")

    def rows(self, split: str) -> "np.ndarray[Any, np.dtype[np.int64]]":
        """Return int64, the numbers of the rows in train, validation or test, ascending."""
        return np.flatnonzero(self.samples["split"] == split).astype(np.int64)

    def needed(self, split: str, name: str) -> "np.ndarray[Any, np.dtype[np.int64]]":
        """Return `rows(split)`; TrainingError, which names the data set or training `name`, where there are none."""
        rows = self.rows(split)
        if not len(rows):
            raise TrainingError(f"{name}: the {split} split holds no samples; change ingest.split or add samples")
        return rows

    def made_as(self, dataset: "AnyDataset") -> bool:
        """Tell whether they were prepared as `dataset` declares, for its backbone."""
        declared = dataset.preprocess.model_dump(mode="json")
        alike = self.about["preprocess"].items() <= declared.items()
        return bool(alike and self.about["backbone"]["sha256"] == dataset.backbone.sha256)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, row: int) -> Arrays: ...
    @overload
    def __getitem__(self, row: slice) -> list[Arrays]: ...
    def __getitem__(self, row: int | slice) -> Arrays | list[Arrays]:
        """Return the arrays of one sample, its own copies; IndexError beyond the last."""
        if isinstance(row, slice):
            return [self[position] for position in range(*row.indices(len(self)))]
        position = range(len(self))[row]
        number = bisect_right(self._ends, position)
        return self._shard(number).sample(position - (self._ends[number - 1] if number else 0))

    def shards(self) -> list[range]:
        """Return which rows lie in each shard."""
        return [range(first, beyond) for first, beyond in zip([0, *self._ends], self._ends, strict=False)]

    def count(self, flag: str) -> int:
        """Return of how many samples the array `flag`, bool [], is true."""
        return sum(self._shard(number).count(flag) for number, rows in enumerate(self.shards()) if rows)

    def _shard(self, number: int) -> Shard:
        shard = self._shards.pop(number, None) or Shard(shard_path(self.folder, number))
        self._shards[number] = shard
        if len(self._shards) > OPEN:
            self._shards.popitem(last=False)
        return shard


class Chosen(Sequence[Arrays]):
    """Some rows of prepared samples, each read when it is asked for."""

    def __init__(self, prepared: Sequence[Arrays], rows: "np.ndarray[Any, np.dtype[np.int64]]") -> None:
        self._prepared, self._rows = prepared, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Arrays: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Arrays]: ...
    def __getitem__(self, place: int | slice) -> Arrays | Sequence[Arrays]:
        if isinstance(place, slice):
            return Chosen(self._prepared, self._rows[place])
        return self._prepared[int(self._rows[place])]
