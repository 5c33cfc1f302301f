"""Stage preprocess: raw samples become the arrays the backbone reads, in shards."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyarrow import Table, parquet

from tasks import refusals
from tasks.errors import SampleShareError, SourceError
from tasks.leaks.near_duplicates import Settled, settle
from tasks.modalities import Arrays
from tasks.modalities.reading import Reader, Refusal, Row, decoding, write_refused
from tasks.modalities.shards import write_shards
from tasks.neural import backbones
from tasks.parallel import batched, in_order
from tasks.progress import track
from tasks.schema import AnyDataset
from tasks.sources import Refused
from tasks.workspace import Workspace, write_json

SAMPLE_COLUMNS = ["id", "label", "group", "split", "name", "confidence"]
HOUSEKEEPING = {"shard", "refused_share", "near_duplicates"}
"""Settings that leave a prepared sample as it is: who predicts need not know them."""
SHOWN = 3
"""How many refused samples an error names."""


@dataclass
class Tally:
    """What became of the rows so far: the numbers of those used, the refused, the modality's facts."""

    used: list[int] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    facts: Counter[str] = field(default_factory=Counter)
    near_duplicates: int = 0

    def settle(self, settled: Settled) -> None:
        """Take in what became of near duplicates: declared to be refused, they are no bad samples to be borne."""
        self.used = [self.used[row] for row in settled.kept]
        self.refused += settled.refused
        self.facts.subtract(settled.facts)
        self.near_duplicates = settled.found


def preprocess(params: AnyDataset, workspace: Workspace) -> Path:
    """Write prepared/: shards, samples.parquet, refused.csv, near_duplicates.csv, prepared.json: the same bytes always.

    Memory holds one shard and, decoded, a few chunks. data/NAME/refused.csv then lists what ingest and this
    stage refused. SourceError without a manifest, SampleShareError where more than `refused_share` of the samples
    are unusable.
    """
    manifest, tally, settings = read_manifest(workspace.raw), Tally(), params.preprocess
    backbone = backbones.fetch(params.backbone, workspace.root)
    with (
        decoding(params.modality, settings, settings.model_dump(mode="json"), backbone) as decode,
        workspace.replacing(workspace.prepared) as folder,
    ):
        reader = Reader(workspace.raw, decode)
        write_shards(folder, batched(usable(manifest, reader, tally), settings.shard))
        check_share(tally.refused, len(manifest), settings.refused_share, workspace)
        tally.settle(settle(folder, manifest.take(tally.used), reader, params))
        write_refused(folder / "refused.csv", tally.refused)
        parquet.write_table(manifest.select(SAMPLE_COLUMNS).take(tally.used), folder / "samples.parquet")
        write_json(folder / "prepared.json", about(params))
    refusals.tell(workspace, told(workspace, tally.refused))
    workspace.record("preprocess", counters(tally))
    return workspace.prepared


def read_manifest(raw: Path) -> Table:
    """Read what ingest wrote, without the notes a library may have left on its own version."""
    try:
        return parquet.read_table(raw / "manifest.parquet").replace_schema_metadata(None)
    except FileNotFoundError:
        raise SourceError(f"{raw / 'manifest.parquet'}: there is no such file; run ingest first") from None


def usable(manifest: Table, reader: Reader, tally: Tally) -> Iterator[Arrays]:
    """Yield the arrays of the samples that can be used, in the manifest's order; keep the tally of all."""
    columns = [manifest[name].to_pylist() for name in Row._fields[1:]]
    rows = [Row(number, *values) for number, values in enumerate(zip(*columns, strict=True))]
    chunks = list(batched(rows, reader.decode.modality.CHUNK))
    for outcome in track(in_order(reader.read, chunks), "preparing", len(chunks)):
        tally.used += outcome.used
        tally.refused += outcome.refused
        tally.facts.update(reader.decode.modality.facts(outcome.samples))
        yield from outcome.samples


def told(workspace: Workspace, refused: list[Refusal]) -> dict[str, Iterable[Any]]:
    """Return all refused samples of the data set by the stage that refused them."""
    return {"ingest": refusals.written(workspace.raw, Refused), "preprocess": refused}


def check_share(refused: list[Refusal], total: int, bearable: float, workspace: Workspace) -> None:
    """Stop where too many samples are unusable, or all; data/NAME/refused.csv names each."""
    if len(refused) <= bearable * total and len(refused) < total:
        return
    listed = refusals.tell(workspace, told(workspace, refused))
    examples = "; ".join(f"{refusal.name} ({refusal.reason})" for refusal in refused[:SHOWN])
    raise SampleShareError(
        f"{workspace.name}: {len(refused):,} of {total:,} samples are refused, preprocess.refused_share is "
        f"{bearable:g}: {examples}; see {listed.relative_to(workspace.root)}, mend them and run again"
    )


def about(params: AnyDataset) -> dict[str, Any]:
    """Say what later stages and predictions must know of how the samples were prepared."""
    return {
        "modality": params.modality,
        "objective": params.objective,
        "preprocess": params.preprocess.model_dump(mode="json", exclude=HOUSEKEEPING),
        "backbone": params.backbone.model_dump(mode="json", exclude={"licence"}),
    }


def counters(tally: Tally) -> dict[str, float]:
    """Count what was read, decoded and refused; of the modality's own facts the share too."""
    decoded, refused = len(tally.used), len(tally.refused)
    shares = {f"{name}_share": count / decoded for name, count in tally.facts.items()}
    copies = {"near_duplicates": tally.near_duplicates} if tally.near_duplicates else {}
    return {"read": decoded + refused, "decoded": decoded, "refused": refused, **copies, **tally.facts, **shares}
