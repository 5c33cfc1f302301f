"""Labels and rows: each bad one is answered, what stops the stage leaves the earlier result, and nothing is lost."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spoilt
from conftest import changed
from samples import encoded, image_backbone, picture

from tasks.errors import SampleShareError, SourceError
from tasks.ingest import ingest
from tasks.neural import backbones
from tasks.preprocess import preprocess
from tasks.schema import AnyDataset, Columns, ColumnSplit, Config, FolderSource, HashSplit, StratifiedSplit, TableSource
from tasks.workspace import Workspace, file_hashes

STRATIFIED = StratifiedSplit(kind="stratified", seed=1, validation=0.2, test=0.2)
HASHED = HashSplit(kind="hash", by="sample", salt="a", validation=0.3, test=0.3)
DECLARED = ColumnSplit(kind="column")
COLUMNS = Columns(content="text", label="label", group=None, split=None, confidence=None)
NUMBER = "write a number, or take it out"
LABEL = "label it, or take it out"
FINITE = "write a finite number, or take it out"
KEPT = "; what was ingested before stays usable in data/rows/raw"

Row = tuple[str, str, str]
"""Text, label and split."""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, "rows")


@pytest.fixture
def table(config: Config, workspace: Workspace) -> Callable[..., AnyDataset]:
    """Write rows as JSON lines and say what is declared of them: `table(rows, "classification")`."""

    def make(written: list[Row], objective: str, split: Any = STRATIFIED, **changes: Any) -> AnyDataset:
        lines = [json.dumps(dict(zip(("text", "label", "split"), row, strict=True))) for row in written]
        (workspace.root / "rows.jsonl").write_text("\n".join(lines) + "\n")
        columns = COLUMNS.model_copy(update={"split": "split" if split.kind == "column" else None})
        source = TableSource(kind="table", path=Path("rows.jsonl"), content="text", columns=columns)
        name = {"classification": "movie-reviews", "regression": "movie-scores"}[objective]
        settings = {"name": "rows", "ingest.source": source, "ingest.split": split, "ingest.refused_share": 0.5}
        made: AnyDataset = changed(config.datasets[name], settings | changes)
        return made

    return make


def classes(count: int = 20) -> list[Row]:
    """Rows of two classes, whose splits are declared too."""
    splits = ("train", "train", "validation", "validation", "test", "test")
    return [(f"film {number}", ("cat", "dog")[number % 2], splits[number % 6]) for number in range(count)]


def numbers() -> list[Row]:
    return [(f"film {number}", str(number / 4), "") for number in range(20)]


@pytest.mark.parametrize(
    ("objective", "label", "reason", "mend"),
    [
        ("classification", "", "has no label", LABEL),
        ("classification", "  ", "has no label", LABEL),
        ("classification", "nan", "its label is 'nan', which stands for none", LABEL),
        ("classification", "NaN", "its label is 'NaN', which stands for none", LABEL),
        ("classification", "NULL", "its label is 'NULL', which stands for none", LABEL),
        ("regression", "", "has no label", LABEL),
        ("regression", "nan", "its label 'nan' is no finite number", FINITE),
        ("regression", "NaN", "its label 'NaN' is no finite number", FINITE),
        ("regression", "inf", "its label 'inf' is no finite number", FINITE),
        ("regression", "-Infinity", "its label '-Infinity' is no finite number", FINITE),
        ("regression", "1e999", "its label '1e999' is no finite number", FINITE),
        ("regression", "null", "its label 'null' is no number", NUMBER),
        ("regression", "four", "its label 'four' is no number", NUMBER),
        ("regression", "4,5", "its label '4,5' is no number", "write it with a decimal point"),
    ],
)
def test_a_bad_label_costs_its_row(
    table: Any, workspace: Workspace, objective: str, label: str, reason: str, mend: str
) -> None:
    rows, split = (classes(), STRATIFIED) if objective == "classification" else (numbers(), HASHED)
    ingest(table([("the bad one", label, ""), *rows], objective, split), workspace)
    assert listed(workspace) == [["ingest", "rows.jsonl row 1", reason, mend]]
    assert workspace.counters("ingest")["used"] == len(rows)


def listed(workspace: Workspace) -> list[list[str]]:
    with (workspace.home / "refused.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))[1:]


def test_blanks_around_a_label_do_not_count(table: Any, workspace: Workspace) -> None:
    ingest(table([*classes(), ("more", " cat ", ""), ("again", "dog\t", "")], "classification"), workspace)
    from pandas import read_parquet

    assert set(read_parquet(workspace.raw / "manifest.parquet")["label"]) == {"cat", "dog"}


TYPOS = "write each class in one way, or give those that are meant to differ other names"
MISSING = "add samples, take the class out, or change ingest.split"
STOPS = {
    "case": (
        [*classes(), ("new", "Cat", "train")],
        f"labels differ only by case or blanks: 'Cat' (1) and 'cat' (10); {TYPOS}",
    ),
    "blanks": (
        [*classes(), ("new", "big  cat", "train"), ("newer", "big cat", "train")],
        f"labels differ only by case or blanks: 'big  cat' (1) and 'big cat' (1); {TYPOS}",
    ),
    "accents": (
        [*classes(), ("new", "caf\u00e9", "train"), ("newer", "cafe\u0301", "train")],
        f"labels differ only by case or blanks: 'cafe\u0301' (1) and 'caf\u00e9' (1); {TYPOS}",
    ),
    "one class": (
        [row for row in classes() if row[1] == "cat"],
        "all 10 samples have the label cat; add samples of others",
    ),
    "not in train": (
        [*classes(), ("new", "owl", "test"), ("newer", "owl", "validation")],
        f"the train split has no sample of 'owl'; {MISSING}",
    ),
}


@pytest.mark.parametrize("name", STOPS)
def test_what_makes_no_classes_stops_the_stage_and_leaves_what_was_there(
    table: Any, workspace: Workspace, name: str
) -> None:
    rows, line = STOPS[name]
    ingest(table(classes(), "classification", DECLARED), workspace)
    before = file_hashes(workspace.raw)
    with pytest.raises(SourceError) as stopped:
        ingest(table(rows, "classification", DECLARED), workspace)
    assert str(stopped.value) == f"rows: {line}{KEPT}"
    assert file_hashes(workspace.raw) == before


def test_numbers_that_are_all_alike_stop_the_stage(table: Any, workspace: Workspace) -> None:
    with pytest.raises(SourceError, match=r"all 20 samples have the label 3\.5; add samples of others"):
        ingest(table([(text, "3.5", "") for text, _, _ in numbers()], "regression"), workspace)


def test_too_many_bad_rows_stop_the_stage_and_are_all_listed(table: Any, workspace: Workspace) -> None:
    ingest(table(classes(), "classification"), workspace)
    before = file_hashes(workspace.raw)
    rows = [*classes(), *((f"bad {number}", "", "") for number in range(30))]
    with pytest.raises(SampleShareError) as stopped:
        ingest(table(rows, "classification"), workspace)
    assert str(stopped.value) == (
        "rows: 30 of 50 samples are refused, more than ingest.refused_share 0.5 allows: rows.jsonl row 21 (has no "
        "label); rows.jsonl row 22 (has no label); rows.jsonl row 23 (has no label); see data/rows/refused.csv, mend "
        "them and run again"
    )
    assert file_hashes(workspace.raw) == before
    assert len(listed(workspace)) == 30


RARE = [*classes(40), ("the only owl", "owl", "train")]


@pytest.mark.parametrize("split", [STRATIFIED, DECLARED], ids=["stratified", "column"])
def test_a_class_of_one_is_learnt_and_told_to_be_untested(
    table: Any, workspace: Workspace, split: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    ingest(table(RARE, "classification", split), workspace)
    told = capsys.readouterr().err
    assert "the validation split has no sample of 'owl': nothing is said of it there\n" in told
    assert "the test split has no sample of 'owl': nothing is said of it there\n" in told
    assert workspace.counters("ingest")["untested"] == 1


@pytest.mark.parametrize(("text", "fits"), [("owl 0", True), ("owl 2", False)])
def test_a_class_of_one_under_a_hash_is_learnt_or_stops_the_stage(
    table: Any, workspace: Workspace, text: str, fits: bool
) -> None:
    params = table([*classes(40), (text, "owl", "")], "classification", HASHED)
    if fits:
        ingest(params, workspace)
        assert workspace.counters("ingest")["untested"] == 1
        return
    with pytest.raises(SourceError, match="the train split has no sample of 'owl'; add samples, take the class out"):
        ingest(params, workspace)


def test_the_same_text_with_two_labels_or_in_two_splits(table: Any, workspace: Workspace) -> None:
    torn = [("same", "cat", "train"), ("same", "dog", "train"), ("leak", "cat", "train"), ("leak", "cat", "test")]
    ingest(table([*torn, *classes(), ("odd", "cat", "dev")], "classification", DECLARED), workspace)
    one, two = (f"rows.jsonl row {first} and rows.jsonl row {first + 1} hold the same but" for first in (1, 3))
    labels, splits = "decide which label is right and take the others out", "keep it in one of them"
    assert sorted(listed(workspace)) == [
        ["ingest", "rows.jsonl row 1", f"{one} are labelled cat and dog", labels],
        ["ingest", "rows.jsonl row 2", f"{one} are labelled cat and dog", labels],
        ["ingest", "rows.jsonl row 25", "its split is 'dev'", "write train, validation or test"],
        ["ingest", "rows.jsonl row 3", f"{two} stand in the splits test and train", splits],
        ["ingest", "rows.jsonl row 4", f"{two} stand in the splits test and train", splits],
    ]


def test_ingest_alone_keeps_what_preprocess_refused_where_nothing_changed(
    config: Config, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = folder(config, workspace, monkeypatch)
    write(workspace.root / "own", ["good"] * 16 + ["broken"] * 2 + ["empty"])
    ingest(params, workspace)
    assert [line[0] for line in listed(workspace)] == ["ingest"]
    preprocess(params, workspace)
    assert [line[0] for line in listed(workspace)] == ["ingest", "preprocess", "preprocess"]
    ingest(params, workspace)
    assert [line[0] for line in listed(workspace)] == ["ingest", "preprocess", "preprocess"]
    write(workspace.root / "own", ["good"] * 20 + ["empty"])
    ingest(params, workspace)
    assert [line[0] for line in listed(workspace)] == ["ingest"]


def folder(config: Config, workspace: Workspace, patch: pytest.MonkeyPatch) -> AnyDataset:
    """What is declared of a folder of small pictures of which any may be bad."""
    backbone = image_backbone(workspace.root / "backbone")
    patch.setattr(backbones, "fetch", lambda weights, root: backbone)
    source = FolderSource(kind="folder", path=Path("own"), table=None, columns=None)
    changes = {"name": "rows", "ingest.source": source, "ingest.split": STRATIFIED, "preprocess.size": 8}
    shares = {"ingest.refused_share": 1.0, "preprocess.refused_share": 1.0}
    made: AnyDataset = changed(config.datasets["solar-cells"], changes | shares)
    return made


KINDS = ("good", "again", "elsewhere", "broken", "empty", "text", "link", "loose", "hidden")
"""What a file may be: fine, the bytes of another, those of another class, cut, empty, a text, a link, misplaced."""


def write(place: Path, kinds: list[str]) -> int:
    """Write a file of each kind; return how many a source finds."""
    for number, kind in enumerate(kinds):
        path = place / ("" if kind == "loose" else "ab"[number % 2]) / f"{number}.png"
        good = encoded(picture(8, 8, seed=number), "PNG")
        same = encoded(picture(8, 8, seed=1000 + (number % 2 if kind == "again" else 2)), "PNG")
        contents = {"good": good, "broken": good[:-20], "empty": b"", "text": f"text {number}".encode()}
        if kind == "hidden":
            spoilt.write(path.with_name(f".{path.name}"), good)
        elif kind == "link":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to("/nowhere")
        else:
            spoilt.write(path, contents.get(kind, same if kind in ("again", "elsewhere") else good))
    return len(kinds) - kinds.count("hidden")


@pytest.mark.parametrize("seed", range(8))
def test_rows_in_are_rows_used_refused_or_duplicates_whatever_the_mixture(
    config: Config, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    random = np.random.default_rng(seed)
    params = folder(config, workspace, monkeypatch)
    shares = random.dirichlet(np.full(len(KINDS), 0.5))
    kinds = ["good"] * 12 + [str(kind) for kind in random.choice(KINDS, 30, p=shares)]
    found = write(workspace.root / "own", kinds)
    ingest(params, workspace)
    came = workspace.counters("ingest")
    assert came["read"] == found == came["used"] + came["refused"] + came["duplicates"]
    preprocess(params, workspace)
    kept = workspace.counters("preprocess")
    assert came["used"] == kept["read"] == kept["decoded"] + kept["refused"]
    assert kept["decoded"] >= 12
    told = listed(workspace)
    assert len(told) == came["refused"] + kept["refused"] == len({line[1] for line in told})
    bad = sum(kinds.count(kind) for kind in ("broken", "empty", "text", "link", "loose"))
    assert bad <= len(told) <= bad + kinds.count("elsewhere")
