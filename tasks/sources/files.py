"""One named file below a source's folder, or the reason why it is refused."""

import os
from pathlib import Path, PurePosixPath

from tasks.sources import Refused, Sample


def sample(folder: Path, name: str, label: str, group: str, split: str, confidence: str) -> Sample | Refused:
    """Return the file `name` of `folder` as a sample; refused if it is none or leads out of the folder."""
    path = folder / os.path.normpath(name)
    reason = _fault(folder, path)
    if reason:
        return Refused(name, reason)
    inside = PurePosixPath(os.path.relpath(path, folder))
    return Sample(str(inside), folder / inside, label, group, split, confidence)


def _fault(folder: Path, path: Path) -> str | None:
    if not Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder)):
        return "leads out of the source's folder"
    try:
        there = path.exists()
    except OSError as error:
        return f"cannot be looked at ({error.strerror})"
    if not there:
        return "is a link to nothing" if path.is_symlink() else "there is no such file"
    if not path.resolve().is_relative_to(folder.resolve()):
        return "is a link that leads out of the source's folder"
    if path.is_dir():
        return "is a folder; name the files in it"
    return None if path.is_file() else "is no regular file"
