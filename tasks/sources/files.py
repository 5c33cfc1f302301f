"""One named file below a source's folder, or the reason why it is refused."""

import os
from pathlib import Path, PurePosixPath

from tasks.sources import Refused, Sample


def sample(folder: Path, name: str, label: str, group: str, split: str, confidence: str) -> Sample | Refused:
    """Return the file `name` of `folder` as a sample; refused if it is none or leads out of the folder."""
    path = folder / os.path.normpath(name)
    fault = _fault(folder, path)
    if fault:
        return Refused(name, *fault)
    inside = PurePosixPath(os.path.relpath(path, folder))
    return Sample(str(inside), folder / inside, label, group, split, confidence)


def _fault(folder: Path, path: Path) -> tuple[str, str] | None:
    """Return the reason to refuse a file and the mend, or None."""
    if not Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder)):
        return "leads out of the source's folder", "copy it into the folder"
    try:
        there = path.exists()
    except OSError as error:
        return f"cannot be looked at ({error.strerror})", "mend its name or its rights"
    if not there:
        return "is a link to nothing" if path.is_symlink() else "there is no such file", "put the file there"
    if not path.resolve().is_relative_to(folder.resolve()):
        return "is a link that leads out of the source's folder", "put a copy in its place"
    if path.is_dir():
        return "is a folder", "name the files in it"
    return None if path.is_file() else ("is no regular file", "put a file in its place")
