"""A folder of a store that fsspec knows (S3 and its like, a mounted disk ...), mirrored file by file as it changes."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from tasks import sources
from tasks.errors import SourceError
from tasks.schema import RemoteSource
from tasks.sources import Refused, Sample, mirror, state
from tasks.sources.stores import Listing, listing

NAME_BYTES = 255
"""The longest name that common file systems take."""


def licence(source: RemoteSource) -> None:
    """The files are the user's own."""


def find(source: RemoteSource, root: Path, scratch: Path) -> list[Sample | Refused]:
    """Mirror what is new or changed, and find the samples `inside`. A name that cannot be a file's here is refused."""
    listed = listing(source.address)
    faults = dict(_faults([entry.name for entry in listed.places]))
    usable = {entry: place for entry, place in listed.places.items() if entry.name not in faults}
    files = mirror.update(place(source, root / ".local" / "downloads"), listed._replace(places=usable))
    state.keep(root / source.path, _held(listed))
    inside = source.inside
    if not (files / inside.path).exists():
        there = ", ".join(sorted(path.name for path in files.iterdir())) or "nothing"
        raise SourceError(f"{source.address}: holds no {inside.path}; at its top: {there}")
    found = sources.source(inside.kind).find(inside, files, scratch)
    return [*found, *(Refused(name, reason, "give it another name there") for name, reason in faults.items())]


def look(source: RemoteSource, root: Path) -> None:
    """Note how many files there are, their bytes, and one sha256 over names, sizes and versions."""
    state.keep(root / source.path, _held(listing(source.address)))


def _held(listed: Listing) -> dict[str, Any]:
    entries = list(listed.places)
    size = sum(entry.size for entry in entries)
    return {"files": len(entries), "bytes": size, "sha256": state.digest(entries)}


def _faults(names: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the names that cannot be files below one folder here, and why."""
    folders = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    for name in names:
        steps = name.split("/")
        if ".." in steps:
            yield name, "its name leads out of the source's folder"
        elif {"", "."} & set(steps) or "\0" in name:
            yield name, "its name is no path of a file; rename it in the store"
        elif max(len(step.encode(errors="replace")) for step in steps) > NAME_BYTES:
            yield name, f"its name is longer than {NAME_BYTES} bytes; rename it in the store"
        elif name in folders:
            yield name, "is named as a folder is; rename it in the store"


def place(source: RemoteSource, downloads: Path) -> Path:
    """Return where its files are mirrored."""
    digest = sha256(source.address.encode()).hexdigest()
    return downloads / "remote" / f"{digest[:12]}-{PurePosixPath(source.address).name or 'files'}"
