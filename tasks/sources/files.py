"""One named file below a source's folder, or the reason why it is refused."""

import os
from pathlib import Path, PurePosixPath

from tasks.sources import Refused, Sample


def sample(folder: Path, name: str, label: str, group: str, split: str, confidence: str) -> Sample | Refused:
    """Return the file `name` of `folder` as a sample; refused if it is none or leads out of the folder."""
    path = PurePosixPath(os.path.normpath(name))
    fault = _fault(folder, folder / path)
    return Refused(name, *fault) if fault else Sample(str(path), folder / path, label, group, split, confidence)


def _fault(folder: Path, path: Path) -> tuple[str, str] | None:
    """Return the reason to refuse a file and the mend, or None."""
    if not Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder)):
        return "leads out of the source's folder", "copy it into the folder"
    if not path.exists():
        return "is a link to nothing" if path.is_symlink() else "there is no such file", "put the file there"
    if not path.resolve().is_relative_to(folder.resolve()):
        return "is a link that leads out of the source's folder", "put a copy in its place"
    return None if path.is_file() else ("is no regular file", "put a file in its place")
