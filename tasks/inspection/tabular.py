"""How data lies whose labels stand in a table: a table of texts, or one that names files beside it."""

import os
from collections import Counter
from pathlib import Path

from tasks.errors import SourceError
from tasks.inspection import columns
from tasks.inspection.request import Layout, Request
from tasks.schema import Columns
from tasks.sources import Sample, inputs, table, tables


def layout(request: Request, path: Path) -> Layout:
    """Return how the table at `path` is read; SourceError where it is none, is empty or holds no label."""
    read = tables.read(path)
    if read.empty:
        raise SourceError(f"{path.name}: is empty; expected a row per sample")
    found = columns.choose(read, path.name, request, lambda cell: _is_file(path.parent, cell))
    settings = Columns.model_validate(found.columns)
    said = [*told(path.name, found), *found.said]
    if not found.path:
        source = {"kind": "table", "path": request.written(path), "content": "text", "columns": found.columns}
        rows = table.samples(path, settings, None)
        return Layout("text", source, rows, said, {}, settings.split is not None, found.repeated, whole=True)
    return _of_files(request, path, path.parent, path.name, found, said)


def beside(request: Request, path: Path, folder: Path) -> Layout | None:
    """Return how files of `folder` are read by the table at `path`; null where it names none of them."""
    read = tables.read(path)
    if read.empty or not any(columns.names_files(read[name], lambda cell: _is_file(folder, cell)) for name in read):
        return None
    found = columns.choose(read, path.name, request, lambda cell: _is_file(folder, cell))
    if not found.path:
        return None
    return _of_files(request, path, folder, os.path.relpath(path, folder), found, told(path.name, found) + found.said)


def _of_files(request: Request, path: Path, folder: Path, name: str, found: columns.Chosen, said: list[str]) -> Layout:
    settings = Columns.model_validate(found.columns)
    rows = table.samples(path, settings, folder)
    source = {"kind": "folder", "path": request.written(folder), "table": name, "columns": found.columns}
    if name.startswith(".."):
        said = [*said, f"{path.name} lies beside {folder.name}: a change of it alone goes unnoticed; move it in there"]
    counted = Counter(modality_of(row.name) for row in rows if isinstance(row, Sample))
    modality = request.modality or next((kind for kind, _ in counted.most_common() if kind), None)
    if modality is None:
        raise SourceError(f"{path.name}: the files it names are neither pictures, recordings nor texts; use --modality")
    return Layout(modality, source, rows, said, {}, settings.split is not None, found.repeated, whole=True)


def modality_of(name: str) -> str | None:
    """Return which modality a file's suffix belongs to."""
    return next((kind for kind, suffixes in inputs.SUFFIXES.items() if name.lower().endswith(suffixes)), None)


def _is_file(folder: Path, cell: str) -> bool:
    try:
        return bool(cell) and "\0" not in cell and (folder / cell).is_file()
    except OSError:  # a text is too long for a name
        return False


def told(name: str, found: columns.Chosen) -> list[str]:
    """Return the sentence that says which column is what."""
    roles = ", ".join(f"{role} from column {column}" for role, column in found.columns.items() if column is not None)
    return [f"{name}: {roles}"]
