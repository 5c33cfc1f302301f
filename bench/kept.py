"""Each single measurement, kept as it is made: a bench that was stopped goes on where it was."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.workspace import write_json


@dataclass(frozen=True)
class Shelf:
    """The measurements of one contestant in one repeat, valid for one state of the code and of the plan."""

    folder: Path
    fingerprint: str

    def take(self, step: str) -> dict[str, Any] | None:
        """Return what was measured of a step; null if it was not, or of other code."""
        target = self._file(step)
        if not target.exists():
            return None
        told = json.loads(target.read_text(encoding="utf-8"))
        return dict(told["measured"]) if told["fingerprint"] == self.fingerprint else None

    def begin(self, step: str) -> None:
        """Note that a step is under way: stopped now, what it leaves behind is nothing to go on from."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self._begun, {"step": step})

    def keep(self, step: str, measured: dict[str, Any]) -> None:
        """Keep what was measured of a step."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self._file(step), {"fingerprint": self.fingerprint, "measured": measured})
        self._begun.unlink(missing_ok=True)

    def missing(self, steps: Iterable[str]) -> list[str]:
        """Return the steps still to be measured: all of them again where one was interrupted half-way."""
        wanted = list(steps)
        left = [step for step in wanted if self.take(step) is None]
        return wanted if left and (self._begun.exists() or left != wanted[len(wanted) - len(left) :]) else left

    def _file(self, step: str) -> Path:
        return self.folder / f"{step}.json"

    @property
    def _begun(self) -> Path:
        return self.folder / "begun.json"


def fingerprint(files: Iterable[Path], told: Any) -> str:
    """Return a sha256 over the files' bytes and over `told`, as JSON writes it."""
    whole = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode())
    for file in sorted(files):
        whole.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()
