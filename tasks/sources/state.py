"""What a source that DVC cannot see into held when it was last looked at: state.json, in the folder DVC does see."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tasks.workspace import read_json, write_json

FILE = "state.json"


def keep(folder: Path, held: dict[str, Any]) -> None:
    """Write `folder`/state.json, in one step, unless it says the same already: an untouched file stays fresh."""
    folder.mkdir(parents=True, exist_ok=True)
    if _read(folder / FILE) != held:
        write_json(folder / FILE, held)


def digest(rows: Iterable[Sequence[str | int]]) -> str:
    """Return one sha256 over all rows, in their order."""
    total = hashlib.sha256()
    for row in rows:
        total.update(json.dumps(row).encode() + b"\n")
    return total.hexdigest()


def _read(path: Path) -> Any:
    try:
        return read_json(path)
    except (FileNotFoundError, ValueError):
        return None
