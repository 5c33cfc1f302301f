"""Looks at weights before anybody learns from them: whole, readable, numbers throughout, and what they say they are."""

import json
from pathlib import Path

from tasks.errors import BackboneError
from tasks.sources import contents

SHOWN = 3
"""How many tensors an error names."""


def check_file(name: str, weights: Path) -> None:
    """Raise BackboneError where the weights file of backbone `name` is empty or something else altogether."""
    if weights.stat().st_size == 0:
        raise BackboneError(f"{name}: {weights.name} is empty (0 bytes); fetch it again")
    # A pickle of torch's is a zip archive: that is for its converter to open.
    if told := contents.misnamed(weights, contents.ZIP):
        raise BackboneError(f"{name}: {weights.name} {told}")


def check_directory(name: str, directory: Path) -> None:
    """Raise BackboneError where a model directory's config.json or model.safetensors cannot be used.

    Every tensor is read once: a value that is no number would spoil all features, and be noticed much later.
    """
    _check_config(name, directory / "config.json")
    lost = _without_number(name, directory / "model.safetensors")
    if lost:
        shown = ", ".join(lost[:SHOWN]) + (f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else "")
        raise BackboneError(f"{name}: its weights hold values that are no numbers (NaN), in {shown}; take another file")


def _check_config(name: str, config: Path) -> None:
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except ValueError as error:
        told = contents.misnamed(config) or f"is no JSON ({error})"
        raise BackboneError(f"{name}: config.json {told}") from None
    if not isinstance(content, dict) or "model_type" not in content:
        raise BackboneError(f"{name}: config.json names no model_type; take the one that belongs to the weights")


def _without_number(name: str, weights: Path) -> list[str]:
    """Return the names of the tensors that hold a NaN."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="pt") as tensors:
            return [key for key in tensors.keys() if bool(tensors.get_tensor(key).float().isnan().any())]  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        raise BackboneError(f"{name}: its weights are no whole safetensors file ({reason}); fetch it again") from None
