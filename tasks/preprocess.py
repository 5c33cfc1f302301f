"""Stage preprocess: raw samples become the arrays the backbone reads, in shards."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from pyarrow import Table, parquet

from tasks import refusals, versioning
from tasks.errors import SampleShareError, SourceError
from tasks.leaks.marks import Marks
from tasks.leaks.near_duplicates import Settled, settle
from tasks.modalities import modality
from tasks.modalities.earlier import Earlier
from tasks.modalities.reading import Outcome, Reader, Refusal, Row, decoding, joined, write_refused
from tasks.modalities.shards import INDEX, Prepared, arranged, shard_path, write_shard
from tasks.neural import backbones
from tasks.parallel import batched, in_order
from tasks.progress import track
from tasks.schema import AnyDataset
from tasks.sources import Refused
from tasks.store import Store
from tasks.workspace import Workspace, digest, link, write_json

SAMPLE_COLUMNS = ["id", "label", "group", "split", "name", "confidence"]
HOUSEKEEPING = {"shard", "refused_share", "near_duplicates"}
"""Settings that leave a prepared sample as it is: who predicts need not know them."""
SHOWN = 3
"""How many refused samples an error names."""


@dataclass
class Tally:
    """What became of the rows so far: the numbers of those used, how many were decoded and taken over, the refused."""

    used: list[int] = field(default_factory=list)
    decoded: int = 0
    reused: int = 0
    refused: list[Refusal] = field(default_factory=list)
    near_duplicates: int = 0

    def settle(self, settled: Settled) -> None:
        """Take in what became of near duplicates: declared to be refused, they are no bad samples to be borne."""
        self.used = [self.used[row] for row in settled.kept]
        self.refused += settled.refused
        self.near_duplicates = settled.found


def preprocess(params: AnyDataset, workspace: Workspace) -> Path:
    """Write prepared/: shards, samples.parquet, refused.csv, near_duplicates.csv, prepared.json: the same bytes always.

    What an earlier run prepared in the same way is taken over. Memory holds one shard and, decoded, a few chunks.
    data/NAME/refused.csv then lists what ingest and this stage refused. SourceError without a manifest,
    SampleShareError where more than `refused_share` of the samples are unusable.
    """
    manifest, tally, settings = read_manifest(workspace.raw), Tally(), params.preprocess
    backbone = backbones.fetch(params.backbone, workspace.root)
    described = about(params, backbone)
    earlier = Earlier(workspace.prepared, described["recipe"])
    rows = rows_of(manifest)
    unknown = sum(row.id not in earlier for row in rows)
    with (
        decoding(params.modality, settings, settings.model_dump(mode="json"), backbone, unknown) as decode,
        workspace.replacing(workspace.prepared) as folder,
    ):
        reader = Reader(workspace.raw, decode)
        write(folder, rows, reader, earlier, settings.shard, tally)
        check_share(tally.refused, len(manifest), settings.refused_share, workspace)
        marks = Marks(Store.of(workspace.root), described["recipe"], params.modality, reader)
        tally.settle(settle(folder, manifest.take(tally.used), marks, params.preprocess.near_duplicates))
        write_refused(folder / "refused.csv", tally.refused)
        parquet.write_table(manifest.select(SAMPLE_COLUMNS).take(tally.used), folder / "samples.parquet")
        write_json(folder / "prepared.json", described)
    refusals.tell(workspace, told(workspace, tally.refused))
    workspace.record("preprocess", counters(tally, Prepared(workspace.prepared), decode.modality.FLAGS))
    return workspace.prepared


def read_manifest(raw: Path) -> Table:
    """Read what ingest wrote, without the notes a library may have left on its own version."""
    try:
        return parquet.read_table(raw / "manifest.parquet").replace_schema_metadata(None)
    except FileNotFoundError:
        raise SourceError(f"{raw / 'manifest.parquet'}: there is no such file; run ingest first") from None


def rows_of(manifest: Table) -> list[Row]:
    """Return the manifest's rows, which are sorted by id."""
    columns = [manifest[name].to_pylist() for name in Row._fields[1:]]
    return [Row(number, *values) for number, values in enumerate(zip(*columns, strict=True))]


def write(folder: Path, rows: list[Row], reader: Reader, earlier: Earlier, about: int, tally: Tally) -> None:
    """Write the shards of the samples that can be used; keep the tally of all."""
    size = reader.decode.modality.CHUNK
    shards = [rows[places.start : places.stop] for places in arranged([row.id for row in rows], about)]
    chunks = [list(batched((row for row in shard if row.id not in earlier), size)) for shard in shards]
    outcomes = in_order(reader.read, chain.from_iterable(chunks))
    outcomes = track(outcomes, "preparing", sum(map(len, chunks)))
    counts = []
    for number, shard in enumerate(shards):
        found = joined(islice(outcomes, len(chunks[number])))
        used = [row for row in shard if row.id in earlier or row.number in found.arrays]
        counts.append(_write_one(folder, number, used, found, earlier))
        tally.used += [row.number for row in used]
        tally.decoded += len(found.arrays)
        tally.reused += len(used) - len(found.arrays)
        tally.refused += found.refused
    write_json(folder / INDEX, counts)


def _write_one(folder: Path, number: int, used: list[Row], found: Outcome, earlier: Earlier) -> int:
    """Write one shard, or let it be the very file that holds the same samples already; return how many they are."""
    same = earlier.shard(number, [row.id for row in used])
    if same is not None:
        link(same, shard_path(folder, number))
        return len(used)
    arrays = found.arrays
    samples = [arrays[row.number] if row.number in arrays else earlier.sample(row.id) for row in used]
    return write_shard(folder, number, samples)


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


def about(params: AnyDataset, backbone: Path) -> dict[str, Any]:
    """Say what later stages and predictions must know of how the samples were prepared.

    `recipe` identifies all that a prepared sample depends on but the sample itself.
    """
    settings = params.preprocess.model_dump(mode="json", exclude=HOUSEKEEPING)
    computing = versioning.code("preprocess", params.modality, "tasks/modalities/")
    return {
        "modality": params.modality,
        "objective": params.objective,
        "preprocess": settings,
        "backbone": params.backbone.model_dump(mode="json", exclude={"licence"}),
        "recipe": digest([params.modality, settings, modality(params.modality).takes(backbone), computing]),
    }


def counters(tally: Tally, prepared: Prepared, flags: Iterable[str]) -> dict[str, float]:
    """Count what was read, decoded, taken over and refused; of what is flagged in the samples the share too."""
    used, refused = len(tally.used), len(tally.refused)
    flagged = {flag: prepared.count(flag) for flag in flags}
    shares = {f"{flag}_share": count / used for flag, count in flagged.items()}
    copies = {"near_duplicates": tally.near_duplicates} if tally.near_duplicates else {}
    known = {"decoded": tally.decoded, "reused": tally.reused}
    return {"read": used + refused, **known, "refused": refused, **copies, **flagged, **shares}
