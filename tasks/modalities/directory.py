"""Reads what a Hugging Face model directory says of the samples it wants."""

import json
from pathlib import Path
from typing import Any

from tasks.errors import BackboneError
from tasks.workspace import sha256_of

CONFIG = "config.json"
PROCESSOR = "preprocessor_config.json"


def read(backbone: Path, name: str) -> dict[str, Any]:
    """Read the JSON file `name` of directory `backbone`; BackboneError where it is no readable mapping."""
    try:
        content = json.loads((backbone / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BackboneError(
            f"{backbone}: there is no {name} in it, which tells how samples must be; "
            "put the one of the same model beside its weights, delete this folder and run again"
        ) from None
    except (OSError, ValueError) as error:
        raise BackboneError(f"{backbone / name}: cannot be read ({error}); fetch the backbone again") from None
    if not isinstance(content, dict):
        raise BackboneError(f"{backbone / name}: holds no mapping; fetch the backbone again")
    return content


def described(backbone: Path) -> dict[str, str]:
    """Return the sha256 of every file of the directory but the weights, by its relative path."""
    files = (path for path in backbone.rglob("*") if path.is_file() and path.suffix != ".safetensors")
    return {path.relative_to(backbone).as_posix(): sha256_of(path) for path in sorted(files)}


def declared(content: dict[str, Any], backbone: Path, name: str, *keys: str) -> list[Any]:
    """Return the values of `keys` in what file `name` held; BackboneError tells all that are missing."""
    missing = [key for key in keys if content.get(key) is None]
    if missing:
        raise BackboneError(f"{backbone / name}: lacks {', '.join(missing)}; choose a backbone of this modality")
    return [content[key] for key in keys]
