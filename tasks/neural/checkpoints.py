"""Checkpoints of one training: each complete or not there at all, and of no other training."""

import os
from pathlib import Path
from typing import Any

import torch

from tasks.workspace import digest, read_json, sha256_of, write_json

KEPT = 2
"""How many are kept: the one before the last serves where the last one is damaged."""
State = dict[str, Any]
"""Tensors, numbers and texts in dicts and lists."""


class Checkpoints:
    """The checkpoints below `folder` of the training that `identity` describes: all that its outcome depends on."""

    def __init__(self, folder: Path, identity: Any) -> None:
        self.identity = digest(identity)
        self.folder = folder / self.identity[:16]

    def save(self, epoch: int, state: State) -> None:
        """Keep the state after `epoch`, written beside and put in its place in one step."""
        self.folder.mkdir(parents=True, exist_ok=True)
        target, beside = self._path(epoch), self.folder / f".{os.getpid()}.part"
        with beside.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        digest = sha256_of(beside)
        beside.replace(target)
        write_json(target.with_suffix(".json"), {"epoch": epoch, "identity": self.identity, "sha256": digest})
        for old in self._found()[:-KEPT]:
            self._remove(old)

    def latest(self) -> State | None:
        """Return the newest state that is complete and of this very training; null where there is none."""
        for path in reversed(self._found()):
            if self._sound(path):
                return dict(torch.load(path, weights_only=True))
        return None

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:05d}.pt"

    def _found(self) -> list[Path]:
        return sorted(self.folder.glob("epoch-*.pt"))

    def _sound(self, path: Path) -> bool:
        """Tell whether the file is the one that was written, for this training."""
        try:
            told = read_json(path.with_suffix(".json"))
        except (OSError, ValueError):
            return False
        return bool(told.get("identity") == self.identity and told.get("sha256") == sha256_of(path))

    def _remove(self, path: Path) -> None:
        path.with_suffix(".json").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
