"""Stage 1, raw data in: every row found is used, refused by name, or the duplicate of another."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
from pyarrow import parquet

from tasks import refusals
from tasks.errors import SampleShareError, SourceError
from tasks.progress import track
from tasks.schema import AnyDataset
from tasks.sources import Refused, Sample, classes, grouping, rows, source, splits
from tasks.workspace import FILES, Workspace, link, sha256_of

SHOWN = 3
"""How many refused samples an error names."""


def ingest(params: AnyDataset, workspace: Workspace) -> Path:
    """Write raw/: the files, manifest.parquet and refused.csv; and data/NAME/refused.csv.

    SourceError if the source is missing, empty or altered, SampleShareError if more of its rows are unusable
    than `ingest.refused_share`. Either way an earlier raw/ stays as it was.
    """
    try:
        with _scratch(workspace) as scratch:
            found = _find(params, workspace.root, scratch)
            table, refused = _sift(found, params, workspace)
            table["split"] = splits.assign(table, params.ingest.split)
            untested = classes.check_splits(table, params.objective)
            _write(table, refused, workspace, scratch)
    except SourceError as error:
        raise SourceError(f"{params.name}: {error}{_still_there(workspace)}") from None
    counted = {"read": len(found), "used": len(table), "refused": len(refused)}
    counted |= {"duplicates": len(found) - len(table) - len(refused), "untested": untested}
    workspace.record("ingest", counted | {name: int((table["split"] == name).sum()) for name in splits.SPLITS})
    return workspace.raw


def _find(params: AnyDataset, root: Path, scratch: Path) -> list[Sample | Refused]:
    settings = params.ingest.source
    chosen = source(settings.kind)
    licence = chosen.licence(settings)
    if licence is not None:
        print(f"licence  {licence}")  # noqa: T201 - the licence is told where the data is fetched
    return grouping.by_name(chosen.find(settings, root, scratch), params.ingest.group_pattern)


def _sift(
    found: list[Sample | Refused], params: AnyDataset, workspace: Workspace
) -> tuple[pd.DataFrame, list[Refused]]:
    """Return the rows to use, sorted by id, and the refused ones; SampleShareError if those are too many."""
    table, refused = rows.judge(found, params)
    table, contradicting = rows.without_contradictions(table)
    refused = sorted(refused + contradicting)
    if len(refused) > params.ingest.refused_share * len(found):
        examples = "; ".join(f"{one.name} ({one.reason})" for one in refused[:SHOWN])
        listed = refusals.tell(workspace, {"ingest": refused})
        raise SampleShareError(
            f"{params.name}: {len(refused):,} of {len(found):,} samples are refused, more than "
            f"ingest.refused_share {params.ingest.refused_share:g} allows: {examples}; see "
            f"{listed.relative_to(workspace.root)}, mend them and run again"
        )
    classes.check_labels(table, params.objective)
    return table.drop_duplicates("id").sort_values("id", ignore_index=True), refused


def _write(table: pd.DataFrame, refused: list[Refused], workspace: Workspace, scratch: Path) -> None:
    before, there = _fingerprint(workspace.raw), _there(workspace.raw)
    with workspace.replacing(workspace.raw) as folder:
        for row in track(table.itertuples(), "copying", len(table)):
            if isinstance(row.content, Path):
                _bring(row.content, folder / "files" / row.name, row.id, there, scratch)
        parquet.write_table(_manifest(table), folder / "manifest.parquet")
        pd.DataFrame(refused, columns=list(Refused._fields)).to_csv(folder / "refused.csv", index=False)
    # Where nothing changed, preprocess does not run again, and what it refused still holds.
    still = refusals.written(workspace.prepared, Refused) if _fingerprint(workspace.raw) == before else []
    refusals.tell(workspace, {"ingest": refused, "preprocess": still})


def _fingerprint(folder: Path) -> bytes:
    """Return the hashes of a folder's files; nothing where it is not there."""
    return (folder / FILES).read_bytes() if (folder / FILES).exists() else b""


def _there(raw: Path) -> dict[str, Path]:
    """Return the files that were ingested before, by their sha256."""
    try:
        manifest = parquet.read_table(raw / "manifest.parquet", columns=["id", "path"])
    except FileNotFoundError:
        return {}
    known = zip(*(manifest[name].to_pylist() for name in ("id", "path")), strict=True)
    return {identity: raw / path for identity, path in known if path is not None}


def _bring(file: Path, target: Path, identity: str, there: dict[str, Path], scratch: Path) -> None:
    """Put a file that was judged into its place: the same as before, the unpacked one, or a copy of the user's.

    A copy is compared: the user's file may have changed since.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    before = there.get(identity)
    if before is not None and before.is_file() and before.stat().st_size == file.stat().st_size:
        link(before, target)
        return
    if file.is_relative_to(scratch):
        shutil.move(file, target)
        return
    shutil.copyfile(file, target)
    if sha256_of(target) != identity:
        raise SourceError(f"{file} changed while it was read; run again")


def _manifest(table: pd.DataFrame) -> pyarrow.Table:
    """Return the manifest: id, path or text, label, group, split, name, confidence; null where there is none."""
    is_file = table["content"].map(lambda content: isinstance(content, Path))
    columns = {
        "id": table["id"],
        "path": ("files/" + table["name"]).where(is_file, None),
        "text": table["content"].where(~is_file, None),
        "label": table["label"],
        "group": table["group"].where(table["group"] != "", None),
        "split": table["split"],
        "name": table["name"],
        "confidence": table["confidence"],
    }
    fields = [(name, _type(values)) for name, values in columns.items()]
    # Without the note on pandas' version that it would carry otherwise: same samples, same bytes.
    return pyarrow.table(columns, schema=pyarrow.schema(fields))


def _type(values: "pd.Series[Any]") -> pyarrow.DataType:
    return pyarrow.float64() if pd.api.types.is_float_dtype(values) else pyarrow.string()


@contextmanager
def _scratch(workspace: Workspace) -> Iterator[Path]:
    """Yield an empty folder to unpack into, removed afterwards; what a killed run left there goes first."""
    folder = workspace.local / "tmp" / f"ingest-{workspace.name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _still_there(workspace: Workspace) -> str:
    place = workspace.raw.relative_to(workspace.root)
    return f"; what was ingested before stays usable in {place}" if workspace.raw.exists() else ""
