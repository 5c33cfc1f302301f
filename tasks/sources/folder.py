"""A folder per class, at any depth below it, or a folder of files with a table of their labels."""

import os
from collections.abc import Iterator
from pathlib import Path

from tasks.errors import ConfigError, SourceError
from tasks.schema import FolderSource
from tasks.sources import Refused, Sample, files, table

LITTER = ("Thumbs.db", "desktop.ini", "__MACOSX")
"""What Windows and macOS leave in folders, besides names that begin with a dot."""


def licence(source: FolderSource) -> None:
    """Nothing is fetched."""


def find(source: FolderSource, root: Path, scratch: Path) -> list[Sample | Refused]:
    """Find the files of each class folder, or those the table names. Hidden files are ignored."""
    folder = root / source.path
    if not folder.is_dir():
        raise SourceError(f"{source.path}: there is no such folder")
    if source.table is not None:
        if source.columns is None:
            raise ConfigError(f"ingest.source.columns: is null, but the table {source.table} needs them")
        return table.samples(folder / source.table, source.columns, folder)
    found = [_sample(folder, path) for path in walk(folder)]
    if not any(isinstance(sample, Sample) for sample in found):
        raise SourceError(f"{source.path}: {_nothing(found)}; expected a folder per class, or name a table")
    return found


def walk(folder: Path) -> Iterator[Path]:
    """Yield every file below `folder` that is not hidden, in the order of their names."""
    for place, folders, names in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not _is_litter(name))
        for name in folders:
            if Path(place, name).is_symlink():
                raise SourceError(f"{Path(place, name)}: is a link to a folder; put the folder itself there")
        yield from (Path(place, name) for name in sorted(names) if not _is_litter(name))


def _sample(folder: Path, path: Path) -> Sample | Refused:
    name = path.relative_to(folder)
    if len(name.parts) == 1:
        return Refused(str(name), "lies in no class folder", "move it into the folder of its class")
    return files.sample(folder, name.as_posix(), name.parts[0], group="", split="", confidence="")


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name in LITTER


def _unreadable(error: OSError) -> None:
    raise SourceError(f"{error.filename}: cannot be read ({error.strerror})")


def _nothing(found: list[Sample | Refused]) -> str:
    return f"none of its {len(found):,} files is usable, the first {found[0]}" if found else "is empty"
