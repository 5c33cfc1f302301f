"""How data at an address of fsspec lies (s3://, gs://, file:// ...): by the names there; only a table is fetched."""

import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from tasks.errors import SourceError
from tasks.inspection import columns, database, folders, tabular
from tasks.inspection.request import Layout, Request
from tasks.sources import Refused, Sample, tables


def layout(request: Request) -> Layout:
    """Return how the address is read; SourceError where it cannot be reached, is empty or holds no label."""
    system, place, found = _found(request.address)
    if found == [place]:  # the address of one file: its folder is the source
        parent = place.rpartition("/")[0]
        return _by_table(request, system, parent, PurePosixPath(place).name, [], request.address.rpartition("/")[0])
    names = [name.removeprefix(place).lstrip("/") for name in found]
    shown = [name for name in names if not any(step.startswith(".") for step in name.split("/"))]
    if not shown:
        raise SourceError(f"{request.address}: holds no files")
    listed = [name for name in shown if "/" not in name and PurePosixPath(name).suffix.lower() in tables.READERS]
    media = any(tabular.modality_of(name) for name in shown)
    if len(listed) > 1:
        raise SourceError(f"{request.address}: holds several tables; name one: --from {request.address}/{listed[0]}")
    if listed:
        return _by_table(request, system, place, listed[0], shown if media else [], request.address)
    return _by_folders(request, shown)


def _found(address: str) -> tuple[Any, str, list[str]]:
    """Return the file system, the place in it, and the files below that, by their full names."""
    import fsspec

    try:
        system, place = fsspec.core.url_to_fs(address)
        place = place.rstrip("/")
        found = sorted(system.find(place))
    except Exception as error:  # whatever the store's own client raises
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise SourceError(f"{address}: cannot be listed ({said}); mend the address, or its access") from None
    if not found:
        raise SourceError(f"{address}: there is no such place, or it is empty")
    return system, place, found


def _by_table(request: Request, system: Any, place: str, name: str, media: list[str], address: str) -> Layout:
    """Read by a table: of texts, or one that names the files beside it."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / name
        try:
            system.get_file(f"{place}/{name}", str(copy))
        except Exception as error:  # whatever the store's own client raises
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise SourceError(f"{address}/{name}: cannot be fetched ({reason}); mend its access") from None
        table = tables.read(copy)
    if table.empty:
        raise SourceError(f"{name}: is empty; expected a row per sample")
    known = set(media)
    found = columns.choose(table, name, request, lambda cell: cell in known)
    rows: list[Sample | Refused] = database.samples(table, found.columns)
    said, split = [*tabular.told(name, found), *found.said], found.columns["split"] is not None
    if not found.path:
        inside: dict[str, Any] = {"kind": "table", "path": name, "content": "text", "columns": found.columns}
        return Layout("text", _source(request, address, inside), rows, said, {}, split, found.repeated, whole=True)
    inside = {"kind": "folder", "path": ".", "table": name, "columns": found.columns}
    modality = request.modality or tabular.modality_of(str(rows[0][1])) or "image"
    return Layout(modality, _source(request, address, inside), rows, said, {}, split, found.repeated, whole=False)


def _by_folders(request: Request, names: list[str]) -> Layout:
    listing = folders.descended(folders.listed(request, Path(), names))
    found = folders.pattern(request, listing)
    if found is None:
        raise SourceError(folders.no_labels(request, listing))
    if found[0] != folders.CLASS_FOLDERS:
        raise SourceError(
            f"{request.address}: labels are in names ({found[0]}), which is read on this machine only; "
            "copy the folder here, or put a table labels.csv beside the files"
        )
    inside = {"kind": "folder", "path": listing.place.as_posix(), "table": None, "columns": None}
    rows: list[Sample | Refused] = [Sample(name, name, name.split("/")[0], "", "", "") for name in listing.files]
    source = _source(request, request.address.rstrip("/"), inside)
    return Layout(listing.modality, source, rows, found[1], dict(listing.others), False, {}, whole=False)


def _source(request: Request, address: str, inside: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "remote", "path": f"data/{request.name}/source", "address": address, "inside": inside}
