"""Every bad sample is answered: the exact line in refused.csv, the good ones beside it used, what was there intact."""

import csv
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import bad_samples
import numpy as np
import pytest
import spoilt
from bad_samples import Case
from conftest import changed
from samples import audio_backbone, encoded, image_backbone, picture, recording, text_backbone, tone

from tasks.ingest import ingest
from tasks.modalities.shards import Prepared
from tasks.neural import backbones
from tasks.preprocess import preprocess
from tasks.schema import AnyDataset, Columns, Config, FolderSource, StratifiedSplit, TableSource
from tasks.sources import rows
from tasks.workspace import Workspace

SPLIT = StratifiedSplit(kind="stratified", seed=1, validation=0.2, test=0.2)
GOOD = 24
FOLDERS = {"image": bad_samples.PICTURES, "audio": bad_samples.RECORDINGS, "text": bad_samples.TEXTS}
NAMES = {"image": "solar-cells", "audio": "mandarin-tones", "text": "movie-reviews", "lines": "movie-reviews"}
BACKBONES = {"image": image_backbone, "audio": audio_backbone, "text": text_backbone, "lines": text_backbone}
SMALL: dict[str, dict[str, Any]] = {"image": {"size": 16}, "audio": {}, "text": {"tokens": 6}, "lines": {"tokens": 6}}
COLUMNS = Columns(content="text", label="label", group=None, split=None, confidence=None)


class Answered(NamedTuple):
    """What became of one project of many good and bad samples."""

    workspace: Workspace
    told: dict[str, list[str]]
    used: set[str]


@pytest.fixture(scope="module")
def answered(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Run ingest and preprocess over all cases of a kind together, once: `answered("image")`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "sha256_of", _as_nobody(rows.sha256_of))
        yield cache(lambda kind: _run(kind, config, tmp_path_factory.mktemp(kind), patch))


def _run(kind: str, config: Config, root: Path, patch: pytest.MonkeyPatch) -> Answered:
    backbone = BACKBONES[kind](root / "backbone")
    patch.setattr(backbones, "fetch", lambda weights, root: backbone)
    params, workspace = parameters(kind, config), Workspace(root, "bad")
    if kind == "lines":
        write_lines(root / "own.jsonl", bad_samples.LINES)
    else:
        write_files(root / "own", kind)
    ingest(params, workspace)
    preprocess(params, workspace)
    with (workspace.home / "refused.csv").open(encoding="utf-8", newline="") as stream:
        told = {row[1]: row for row in csv.reader(stream)}
    return Answered(workspace, told, set(Prepared(workspace.prepared).samples["name"]))


def parameters(kind: str, config: Config) -> AnyDataset:
    """What is declared of a data set whose samples may nearly all be bad."""
    source: Any = FolderSource(kind="folder", path=Path("own"), table=None, columns=None)
    if kind == "lines":
        source = TableSource(kind="table", path=Path("own.jsonl"), content="text", columns=COLUMNS)
    settings = {"shard": 8, "refused_share": 0.9, **SMALL[kind]}
    changes = {"name": "bad", "ingest.source": source, "ingest.split": SPLIT, "ingest.refused_share": 0.9}
    made: AnyDataset = changed(config.datasets[NAMES[kind]], changes)
    return changed(made, {f"preprocess.{key}": value for key, value in settings.items()})


def good(kind: str, number: int) -> bytes:
    """A sample nothing is wrong with."""
    if kind == "image":
        return encoded(picture(seed=100 + number), "PNG")
    return recording(tone(100.0 + number)) if kind == "audio" else f"a fine film {number}".encode()


def write_files(folder: Path, kind: str) -> None:
    """Write a folder per class: good samples in both, the cases in the first."""
    for number in range(GOOD):
        spoilt.write(folder / "ab"[number % 2] / f"good-{number:02}", good(kind, number))
    for case in FOLDERS[kind]:
        spoilt.write(folder / "a" / case.name, case.made())
    spoilt.write(folder / "a" / "forbidden", good(kind, GOOD))
    spoilt.write(folder.parent / "outside", good(kind, GOOD + 1))
    (folder / "a" / "way-out").symlink_to(folder.parent / "outside")
    (folder / "a" / "nowhere").symlink_to(folder.parent / "gone")
    spoilt.write(folder / "loose", good(kind, GOOD + 2))


LINKS = [
    Case("way-out", b"", "ingest", "is a link that leads out of the source's folder", "put a copy in its place"),
    Case("nowhere", b"", "ingest", "is a link to nothing", "put the file there"),
    Case("forbidden", b"", "ingest", "cannot be read (Permission denied)", "make it readable, e.g. `chmod +r`"),
]


def write_lines(path: Path, cases: list[Case]) -> None:
    """Write JSON lines: the cases first."""
    lines = [f'{{"text": "{case.content}", "label": "a"}}' for case in cases]
    lines += [json.dumps({"text": f"a fine film {number}", "label": "ab"[number % 2]}) for number in range(GOOD)]
    path.write_text("\n".join(lines) + "\n")


def _as_nobody(hashed: Any) -> Any:
    """Let one file be forbidden: root, who often runs tests, may read all."""

    def act(path: Path) -> Any:
        if path.name == "forbidden":
            raise PermissionError(13, "Permission denied")
        return hashed(path)

    return act


def cases() -> list[Any]:
    found = [(kind, f"a/{case.name}", case) for kind, some in FOLDERS.items() for case in [*some, *LINKS]]
    found += [("lines", f"own.jsonl row {number}", case) for number, case in enumerate(bad_samples.LINES, start=1)]
    return [pytest.param(*one, id=f"{one[0]}-{one[1]}") for one in found]


@pytest.mark.parametrize(("kind", "name", "case"), cases())
def test_each_is_used_or_refused_with_this_line(answered: Any, kind: str, name: str, case: Case) -> None:
    found = answered(kind)
    if not case.stage:
        assert name not in found.told
        assert name in found.used
    else:
        assert name not in found.used
        assert found.told[name] == [case.stage, name, case.reason, case.mend]


def test_there_are_many_and_none_twice() -> None:
    names = [one.id for one in cases()]
    assert len(names) == len(set(names)) >= 65


@pytest.mark.parametrize("kind", NAMES)
def test_the_good_ones_beside_them_are_all_used(answered: Any, kind: str) -> None:
    found = answered(kind)
    expected = {name for name in found.used if "good-" in name or "row" in name}
    assert len(expected) >= GOOD
    assert not set(found.told) & found.used


@pytest.mark.parametrize("kind", NAMES)
def test_rows_in_are_rows_used_and_refused(answered: Any, kind: str) -> None:
    workspace = answered(kind).workspace
    came, kept = workspace.counters("ingest"), workspace.counters("preprocess")
    assert came["read"] == came["used"] + came["refused"] + came["duplicates"]
    assert came["used"] == kept["read"] == kept["decoded"] + kept["refused"]
    assert len(answered(kind).told) - 1 == came["refused"] + kept["refused"]  # the header


@pytest.mark.parametrize("kind", NAMES)
def test_no_line_depends_on_the_machine_and_each_says_what_to_do(answered: Any, kind: str) -> None:
    lines = list(answered(kind).told.values())
    assert lines[0] == ["stage", "name", "reason", "mend"]
    assert all(len(line) == 4 and all(line) for line in lines)
    assert not any("0x7f" in line[2] or str(answered(kind).workspace.root) in line[2] for line in lines)


def test_what_else_should_be_known_is_counted(answered: Any) -> None:
    assert answered("image").workspace.counters("preprocess")["several"] == bad_samples.FILMS
    counted = answered("text").workspace.counters("preprocess")
    assert (counted["truncated"], counted["unknown"]) == (bad_samples.TRUNCATED, bad_samples.UNKNOWN)


@pytest.mark.parametrize("name", ["film.gif", "film.webp", "film.png", "pages.tiff", "print.tiff", "photoshop.jpg"])
def test_the_first_frame_and_the_right_ink_are_red(answered: Any, name: str) -> None:
    prepared = Prepared(answered("image").workspace.prepared)
    pixels = prepared[prepared.samples["name"].tolist().index(f"a/{name}")]["pixels"]
    assert np.abs(pixels.astype(int) - [255, 0, 0]).max() < 12
