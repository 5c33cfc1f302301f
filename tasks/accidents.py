"""What the machine can lack, told in one line that says what to do: room, memory, rights, open files."""

import errno
from pathlib import Path

FULL = ("no space left on device", "disk is full", "disk quota exceeded", "writer failed writing file")
"""What libraries that do not raise an OSError say of a full disk: sqlite, safetensors, Arrow, torch."""
SHORT = ("can't allocate memory", "not enough memory", "out of memory", "unable to allocate", "malloc of size")
"""What torch, numpy and Arrow say where memory runs out."""
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def told(error: BaseException) -> str | None:
    """Return what `error` says about the machine and what to do; None if it is about something else."""
    said, number = str(error).lower(), getattr(error, "errno", None)
    place = Path(str(getattr(error, "filename", None) or ""))
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or any(words in said for words in FULL):
        return f"the disk is full{_at(place)}; make room and run again: what was there before is untouched"
    if number in FORBIDDEN or "readonly database" in said:
        return f"{_name(place)}cannot be read or written; see to its owner and rights, or work in another folder"
    if number in (errno.EMFILE, errno.ENFILE):
        return "too many files are open at once; raise the limit (`ulimit -n 4096`) and run again"
    if isinstance(error, MemoryError) or number == errno.ENOMEM or any(words in said for words in SHORT):
        return "memory ran out; close other programs, lower batch_size or preprocess.shard, and run again"
    return None


def _at(place: Path) -> str:
    return f" (writing {place})" if place.name else ""


def _name(place: Path) -> str:
    return f"{place}: " if place.name else "the project's folder "
