"""What a user asks about: files, folders, tables or lines, each question by a name the user knows."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tasks.errors import BadSample, SourceError
from tasks.sources import tables

LINES = "-"
SUFFIXES = {
    "image": (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"),
    "text": (".txt",),
    "audio": (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff"),
}
"""Which files of a folder are asked about; a file named by itself is tried whatever its suffix."""
COLUMNS = {"image": ("path",), "text": ("text", "path"), "audio": ("path",)}
"""Which columns of a table hold the questions: the first one that is there."""

Content = bytes | str | BadSample


class Question(NamedTuple):
    """A file's bytes or a text; a file that cannot be read is its own refusal."""

    name: str
    content: Content


def read_inputs(arguments: list[str], modality: str) -> Iterator[Question]:
    """Read what the arguments name, one question at a time, in the order given and, in a folder, by name.

    `-` reads standard input, a text a line. Raises SourceError, before any question, for what is neither a
    file nor a folder, a folder without files of the modality, and a table without a column for them.
    """
    readers = [_reader(argument, modality) for argument in arguments]
    return (question for reader in readers for question in reader())


def _reader(argument: str, modality: str) -> Callable[[], Iterator[Question]]:
    path = Path(argument)
    if argument == LINES:
        _require_texts(modality)
        return _lines
    if path.is_dir():
        files = _files(path, modality)
        return lambda: (_file(str(file), file) for file in files)
    if not path.exists():
        raise SourceError(f"{argument}: there is no such file or folder")
    if path.suffix.lower() in tables.READERS:
        return _table(path, modality)
    return lambda: iter([_file(argument, path)])


def _require_texts(modality: str) -> None:
    if modality != "text":
        raise SourceError(f"{LINES}: standard input is read as texts, one a line; name files of {modality}")


def _lines() -> Iterator[Question]:
    for number, line in enumerate(sys.stdin, start=1):
        yield Question(f"line {number}", line.rstrip("\r\n"))


def _files(folder: Path, modality: str) -> list[Path]:
    """Return the files below `folder` that look like the modality; hidden ones do not count."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(place, name) for name in sorted(names) if _looks_like(name, modality)]
    if not found:
        raise SourceError(f"{folder}: holds no {modality} file ({', '.join(SUFFIXES[modality])})")
    return found


def _looks_like(name: str, modality: str) -> bool:
    return not name.startswith(".") and name.lower().endswith(SUFFIXES[modality])


def _file(name: str, path: Path) -> Question:
    try:
        return Question(name, path.read_bytes())
    except OSError as error:
        return Question(name, BadSample(f"cannot be read ({error.strerror})", "make it readable"))


def _table(path: Path, modality: str) -> Callable[[], Iterator[Question]]:
    """Return a reader of the table's rows; paths in it are relative to the table."""
    table = tables.read(path)
    column = next((name for name in COLUMNS[modality] if name in table.columns), None)
    tables.require(table, [column or " or ".join(COLUMNS[modality])], path.name)
    cells = [(f"{path.name} row {row}", str(cell)) for row, cell in table[column].items()]
    if column == "text":
        return lambda: (Question(name, cell) for name, cell in cells)
    return lambda: (_file(f"{name}: {cell}", path.parent / cell) for name, cell in cells)
