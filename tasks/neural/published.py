"""Hugging Face model directories as they are published: what is taken of one, and what is refused."""

import shutil
from pathlib import Path

from tasks.errors import BackboneError
from tasks.modalities.directory import PROCESSOR, read
from tasks.neural.hub import COMPANIONS
from tasks.progress import note
from tasks.workspace import write_json

INDEX = "model.safetensors.index.json"
CODE = "auto_map"
"""The key by which a model's JSON files name code of its own."""


def copy(weights: Path, target: Path) -> None:
    """Take a Hugging Face directory as it is, of its weights only the verified file."""
    if weights.suffix != ".safetensors":
        raise BackboneError(
            f"{weights.name}: only safetensors are loaded of a Hugging Face directory, a pickle may run code; "
            + joining(str(weights.parent))
        )
    if weights.name in _shards(weights.parent / INDEX):
        raise BackboneError(
            f"{weights.name}: is one of several files of {weights.parent}; {joining(str(weights.parent))}"
        )
    shutil.copyfile(weights, target / "model.safetensors")
    for path in sorted(path for pattern in COMPANIONS for path in weights.parent.glob(pattern)):
        if path.name != INDEX:
            _copy_companion(path, target / path.name)
    _split_processor(target)
    if not (target / "config.json").exists():
        raise BackboneError(f"{weights}: no config.json beside it; a Hugging Face model directory has one")


def _split_processor(target: Path) -> None:
    """Give what newer directories say of pictures and sounds within processor_config.json a file of its own."""
    whole = target / "processor_config.json"
    if whole.exists() and not (target / PROCESSOR).exists():
        told = read(target, whole.name)
        for part in ("image_processor", "feature_extractor"):
            if part in told:
                write_json(target / PROCESSOR, told[part])


def _shards(index: Path) -> set[str]:
    """Return the names of the files that weights are spread over, if it is more than one."""
    names = set(read(index.parent, index.name).get("weight_map", {}).values()) if index.exists() else set()
    return names if len(names) > 1 else set()


def _copy_companion(path: Path, target: Path) -> None:
    """Copy a file, but of JSON that names code of the model's own leave the names out: it is never run."""
    told = read(path.parent, path.name) if path.suffix == ".json" and CODE.encode() in path.read_bytes() else {}
    if told.pop(CODE, None) is None:
        shutil.copyfile(path, target)
        return
    note(f"{path.name} names code of the model's own ({CODE}): left out, it is never run")
    write_json(target, told)


def joining(whence: str) -> str:
    """Tell how weights of any kind become one safetensors file."""
    call = f"AutoModel.from_pretrained('{whence}').save_pretrained('whole', max_shard_size='1TB')"
    return (
        f'where you trust it run `python -c "from transformers import AutoModel; {call}"`, '
        "put its other JSON and vocabulary files beside and declare the folder (kind: folder)"
    )
