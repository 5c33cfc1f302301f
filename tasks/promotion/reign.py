"""The version that is champion: what it learnt from, which labels it knows, what it answers."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.errors import BadSample
from tasks.modalities.reading import Row, content
from tasks.parallel import batched
from tasks.records.enrolment import LEARNT, PREDICTIONS
from tasks.records.registry import model_directory
from tasks.workspace import Workspace, read_json

AT_ONCE = 512


@dataclass(frozen=True)
class Reign:
    """A registered version: its number and the folder of its package."""

    version: str
    package: Path

    @cached_property
    def model(self) -> Path:
        """Return its model directory."""
        return model_directory(self.package)

    @cached_property
    def about(self) -> dict[str, Any]:
        """Return its pipeline.json."""
        return dict(read_json(self.model / "pipeline.json"))

    @cached_property
    def learnt(self) -> "pd.Series[str] | None":
        """Return the ids of the samples its training saw; null of a version that does not tell."""
        kept = self.package / LEARNT
        return pd.read_parquet(kept)["id"] if kept.exists() else None

    @cached_property
    def asked(self) -> "pd.Series[str]":
        """Return the ids of the test samples of its time."""
        return self._stored["id"]

    @cached_property
    def _stored(self) -> pd.DataFrame:
        return pd.read_parquet(self.package / PREDICTIONS)

    def outputs(self, workspace: Workspace, ids: "pd.Series[str]") -> pd.DataFrame:
        """Return its outputs by id, in the order of `ids`, without those it refuses.

        What it answered when it was registered is kept; it is asked about the others now, from their raw bytes.
        """
        stored = self._stored.set_index("id")
        unknown = ids[~ids.isin(stored.index)].tolist()
        known = pd.concat([stored, *self._answered(workspace, unknown)])
        return known.loc[ids[ids.isin(known.index)].tolist()]

    def _answered(self, workspace: Workspace, ids: list[str]) -> list[pd.DataFrame]:
        if not ids:
            return []
        from tasks.predict import Predictor

        predictor, parts = Predictor.load(self.model), []
        for rows in batched(raw_rows(workspace, ids), AT_ONCE):
            outputs, refused = predictor.outputs([_content(workspace, row) for row in rows])
            read = [row.id for row, reason in zip(rows, refused, strict=True) if not reason]
            parts.append(pd.DataFrame(outputs, index=read).add_prefix("output_"))
        return parts


def raw_rows(workspace: Workspace, ids: list[str]) -> list[Row]:
    """Return the rows of the manifest with these ids, in their order."""
    from pyarrow.parquet import read_table

    table = read_table(workspace.raw / "manifest.parquet", columns=list(Row._fields[1:])).to_pylist()
    rows = {row["id"]: Row(number, **row) for number, row in enumerate(table)}
    return [rows[identity] for identity in ids]


def _content(workspace: Workspace, row: Row) -> bytes | str | BadSample:
    try:
        return content(workspace.raw, row)
    except BadSample as reason:
        return reason
