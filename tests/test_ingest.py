"""Ingest: what is written, what is refused, what is counted, and what stays when something goes wrong."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.errors import SampleShareError, SourceError
from tasks.ingest import ingest
from tasks.schema import AnyDataset, Columns, ColumnSplit, FolderSource, HashSplit, TableSource
from tasks.workspace import Workspace, file_hashes, sha256_of

HASH = HashSplit(kind="hash", by="sample", salt="a", validation=0.2, test=0.2)
STRATIFIED = {"ingest.split.validation": 0.2, "ingest.split.test": 0.2}
Make = Callable[..., AnyDataset]


@pytest.fixture
def workspace(root: Path) -> Workspace:
    return Workspace(root, "set")


@pytest.fixture
def images(tiny_dataset: Make, pictures: FolderSource) -> AnyDataset:
    """Parameters for the folder of 36 pictures, which may lose a third."""
    changes = {"name": "set", "ingest.source": pictures, "ingest.refused_share": 0.34}
    return tiny_dataset("solar-cells-random", changes | STRATIFIED)


@pytest.fixture
def texts(tiny_dataset: Make, reviews: TableSource) -> AnyDataset:
    """Parameters for the table of 40 texts."""
    changes = {"name": "set", "ingest.source": reviews, "ingest.refused_share": 0.5}
    return tiny_dataset("movie-reviews", changes | STRATIFIED)


@pytest.fixture
def scores(tiny_dataset: Make, reviews: TableSource) -> AnyDataset:
    """Parameters for the same table, with numbers as labels."""
    source = reviews.model_copy(
        update={"columns": reviews.columns.model_copy(update={"label": "score", "group": "author"})}
    )
    changes = {"name": "set", "ingest.source": source, "ingest.split": HASH, "ingest.refused_share": 0.5}
    return tiny_dataset("movie-scores", changes)


def manifest(workspace: Workspace) -> pd.DataFrame:
    return pd.read_parquet(workspace.raw / "manifest.parquet")


def refused(workspace: Workspace) -> dict[str, str]:
    table = pd.read_csv(workspace.raw / "refused.csv")
    return dict(zip(table["name"], table["reason"], strict=True))


def counters(workspace: Workspace) -> list[int]:
    counted = workspace.counters("ingest")
    assert counted["read"] == counted["used"] + counted["refused"] + counted["duplicates"]
    assert counted["used"] == len(manifest(workspace)) == sum(counted[s] for s in ("train", "validation", "test"))
    return [counted[key] for key in ("read", "used", "refused", "duplicates")]


def row(text: str, label: str, split: str = "") -> dict[str, Any]:
    return {"text": text, "label": label, "split": split}


def test_files_are_copied_and_listed(images: AnyDataset, workspace: Workspace) -> None:
    assert ingest(images, workspace) == workspace.raw
    table = manifest(workspace)
    assert counters(workspace) == [36, 36, 0, 0]
    assert table["id"].is_monotonic_increasing
    assert [sha256_of(workspace.raw / path) for path in table["path"]] == table["id"].tolist()
    assert table["label"].value_counts().to_dict() == {"red": 12, "green": 12, "blue": 12}
    assert table["text"].isna().all()
    assert table["group"].isna().all()
    assert "red/00.png" in set(table["name"])


def test_texts_are_kept_in_the_manifest(texts: AnyDataset, workspace: Workspace) -> None:
    ingest(texts, workspace)
    table = manifest(workspace)
    assert table["path"].isna().all()
    assert table["text"].str.contains("film").all()
    assert not (workspace.raw / "files").exists()


def test_regression_labels_are_numbers(scores: AnyDataset, workspace: Workspace) -> None:
    ingest(scores, workspace)
    table = manifest(workspace)
    assert table["label"].dtype == "float64"
    assert table["group"].nunique() == 20


def test_groups_can_be_taken_from_the_names(images: AnyDataset, workspace: Workspace) -> None:
    section = images.ingest.model_copy(update={"group_pattern": r"(\d)\d\.png$"})
    (workspace.root / "pictures" / "red" / "00.png").rename(workspace.root / "pictures" / "red" / "x.png")
    ingest(images.model_copy(update={"ingest": section}), workspace)
    listed = manifest(workspace)
    assert listed["group"].tolist() == [name[-6] for name in listed["name"]]
    assert set(listed["group"]) == {"0", "1"}
    assert refused(workspace) == {"red/x.png": r"ingest.group_pattern (\d)\d\.png$ finds no group in its name"}


def test_the_same_input_gives_the_same_bytes(images: AnyDataset, workspace: Workspace, tmp_path: Path) -> None:
    ingest(images, workspace)
    shutil.copytree(workspace.root / "pictures", tmp_path / "elsewhere" / "pictures")
    elsewhere = Workspace(tmp_path / "elsewhere", "set")
    ingest(images, elsewhere)
    assert file_hashes(elsewhere.raw) == file_hashes(workspace.raw)


def test_unusable_files_are_refused_by_name(images: AnyDataset, workspace: Workspace) -> None:
    folder = workspace.root / "pictures" / "red"
    (folder / "empty.png").touch()
    (folder / ".DS_Store").write_text("x")
    (folder / "Thumbs.db").write_text("x")
    (workspace.root / "pictures" / "notes.txt").write_text("x")
    ingest(images, workspace)
    assert counters(workspace) == [38, 36, 2, 0]
    assert refused(workspace) == {"red/empty.png": "is an empty file", "notes.txt": "lies in no class folder"}


@pytest.mark.skipif(os.name != "posix" or os.uname().sysname != "Linux", reason="other systems refuse such names")
def test_a_file_name_that_is_no_unicode(images: AnyDataset, workspace: Workspace) -> None:
    Path(os.fsdecode(os.fsencode(workspace.root / "pictures" / "red") + b"/caf\xe9.png")).write_bytes(b"x")
    ingest(images, workspace)
    assert refused(workspace) == {"red/caf\\udce9.png": "its name, label or group is no valid Unicode"}


def test_exact_duplicates_are_kept_once(images: AnyDataset, workspace: Workspace) -> None:
    folder = workspace.root / "pictures" / "red"
    for number in range(3):
        shutil.copyfile(folder / "00.png", folder / f"copy {number}.png")
    ingest(images, workspace)
    assert counters(workspace) == [39, 36, 0, 3]
    assert len(list((workspace.raw / "files" / "red").iterdir())) == 12


def test_the_same_bytes_under_two_labels_are_all_refused(images: AnyDataset, workspace: Workspace) -> None:
    folder = workspace.root / "pictures"
    shutil.copyfile(folder / "red" / "00.png", folder / "blue" / "copy.png")
    shutil.copyfile(folder / "red" / "00.png", folder / "red" / "copy.png")
    ingest(images, workspace)
    assert counters(workspace) == [38, 35, 3, 0]
    assert set(refused(workspace)) == {"red/00.png", "red/copy.png", "blue/copy.png"}
    assert "hold the same but are labelled blue and red" in refused(workspace)["red/00.png"]


def test_the_same_text_in_two_declared_splits_is_refused(
    tiny_dataset: Make, texts: AnyDataset, workspace: Workspace
) -> None:
    rows = [row(f"text {number}", "ab"[number % 2], "train") for number in range(10)]
    rows += [row("leak", "a", "train"), row("leak", "a", "test"), row("odd", "a", "dev")]
    rows += [row("v", "a", "validation"), row("t", "a", "test"), row("t", "a", "test")]
    pd.DataFrame(rows).to_csv(workspace.root / "reviews.csv", index=False)
    columns = Columns(content="text", label="label", group=None, split="split", confidence=None)
    source = texts.ingest.source.model_copy(update={"columns": columns})
    changes = {"name": "set", "ingest.source": source, "ingest.split": ColumnSplit(kind="column")}
    ingest(tiny_dataset("movie-reviews", changes | {"ingest.refused_share": 0.5}), workspace)
    assert counters(workspace) == [16, 12, 3, 1]
    told = refused(workspace)
    assert "hold the same but stand in the splits test and train" in told["reviews.csv row 12"]
    assert told["reviews.csv row 14"] == "its split is 'dev'"


@pytest.fixture
def unsure(scores: AnyDataset) -> AnyDataset:
    """Parameters for the table of texts with a column of confidence."""
    columns = scores.ingest.source.columns.model_copy(update={"confidence": "sure"})
    source = scores.ingest.source.model_copy(update={"columns": columns})
    return scores.model_copy(update={"ingest": scores.ingest.model_copy(update={"source": source})})


def test_confidence_goes_into_the_manifest(unsure: AnyDataset, workspace: Workspace) -> None:
    table = pd.read_csv(workspace.root / "reviews.csv", dtype=str).assign(sure="")
    table.loc[:3, "sure"] = ["0.5", " 1 ", "1e-3", "  "]
    table.to_csv(workspace.root / "reviews.csv", index=False)
    ingest(unsure, workspace)
    kept = manifest(workspace).set_index("name")["confidence"]
    assert kept.dtype == "float64"
    assert [kept[f"reviews.csv row {row}"] for row in range(2, 6)] == [0.5, 1, 0.001, 1]
    assert (kept == 1).sum() == 38


def test_without_a_column_every_label_is_sure(scores: AnyDataset, workspace: Workspace) -> None:
    ingest(scores, workspace)
    assert manifest(workspace)["confidence"].tolist() == [1.0] * 40


def test_impossible_confidences_are_refused(unsure: AnyDataset, workspace: Workspace) -> None:
    given = ["0", "-0.5", "1.01", "nan", "inf", "high", "50 %"]
    table = pd.read_csv(workspace.root / "reviews.csv", dtype=str).assign(sure="1.0")
    table.loc[: len(given) - 1, "sure"] = given
    table.to_csv(workspace.root / "reviews.csv", index=False)
    ingest(unsure, workspace)
    assert refused(workspace) == {
        f"reviews.csv row {row}": f"its confidence {value!r} is no number above 0 and at most 1"
        for row, value in enumerate(given, start=2)
    }
    assert counters(workspace) == [40, 33, 7, 0]


def test_of_duplicates_the_first_says_how_sure_its_label_is(unsure: AnyDataset, workspace: Workspace) -> None:
    table = pd.read_csv(workspace.root / "reviews.csv", dtype=str).assign(sure="0.5")
    again = table.iloc[:2].assign(sure=["0.9", ""])
    pd.concat([table, again]).to_csv(workspace.root / "reviews.csv", index=False)
    ingest(unsure, workspace)
    assert counters(workspace) == [42, 40, 0, 2]
    assert set(manifest(workspace)["confidence"]) == {0.5}


def test_missing_and_impossible_labels(scores: AnyDataset, workspace: Workspace) -> None:
    table = pd.read_csv(workspace.root / "reviews.csv", dtype=str)
    table.loc[:4, "score"] = ["", "high", "nan", "inf", "1e3"]
    table.loc[5, "text"] = "  "
    table.to_csv(workspace.root / "reviews.csv", index=False)
    ingest(scores, workspace)
    assert refused(workspace) == {
        "reviews.csv row 2": "has no label",
        "reviews.csv row 3": "its label 'high' is no number",
        "reviews.csv row 4": "its label 'nan' is no finite number",
        "reviews.csv row 5": "its label 'inf' is no finite number",
        "reviews.csv row 7": "is an empty text",
    }
    assert counters(workspace) == [40, 35, 5, 0]


def test_too_many_refused_samples_stop_it(tiny_dataset: Make, pictures: FolderSource, workspace: Workspace) -> None:
    for number in range(4):
        (workspace.root / "pictures" / "red" / f"empty {number}.png").touch()
    changes = {"name": "set", "ingest.source": pictures, "ingest.refused_share": 0.05}
    with pytest.raises(SampleShareError) as error:
        ingest(tiny_dataset("solar-cells-random", changes), workspace)
    assert str(error.value) == (
        "set: 4 of 40 samples are refused, more than ingest.refused_share 0.05 allows: red/empty 0.png (is an empty "
        "file); red/empty 1.png (is an empty file); red/empty 2.png (is an empty file); see data/set/refused.csv, mend "
        "them and run again"
    )
    assert not workspace.raw.exists()


def test_a_source_that_is_gone_leaves_what_was_ingested(images: AnyDataset, workspace: Workspace) -> None:
    ingest(images, workspace)
    before = file_hashes(workspace.raw)
    shutil.rmtree(workspace.root / "pictures")
    with pytest.raises(SourceError) as error:
        ingest(images, workspace)
    assert str(error.value) == (
        "set: pictures: there is no such folder; what was ingested before stays usable in data/set/raw"
    )
    assert file_hashes(workspace.raw) == before
    assert not (workspace.local / "tmp" / "ingest-set").exists()


def test_a_changed_source_replaces_what_was_there(images: AnyDataset, workspace: Workspace) -> None:
    ingest(images, workspace)
    old = manifest(workspace)
    (workspace.root / "pictures" / "red" / "00.png").unlink()
    (workspace.root / "pictures" / "blue" / "new.png").write_bytes(b"new")
    ingest(images, workspace)
    new = manifest(workspace)
    assert set(old["name"]) ^ set(new["name"]) == {"red/00.png", "blue/new.png"}
    assert not (workspace.raw / "files" / "red" / "00.png").exists()


def test_a_file_that_changes_meanwhile_is_told(
    images: AnyDataset, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.sources import splits

    def assign_late(table: pd.DataFrame, split: Any) -> pd.Series:
        (workspace.root / "pictures" / "red" / "00.png").write_bytes(b"written again")
        return decided(table, split)

    decided = splits.assign
    monkeypatch.setattr(splits, "assign", assign_late)
    with pytest.raises(SourceError, match=r"00\.png changed while it was read; run again"):
        ingest(images, workspace)
    assert not workspace.raw.exists()


def test_an_absolute_source_path(images: AnyDataset, workspace: Workspace, tmp_path: Path) -> None:
    source = images.ingest.source.model_copy(update={"path": workspace.root / "pictures"})
    settings = images.ingest.model_copy(update={"source": source})
    ingest(images.model_copy(update={"ingest": settings}), Workspace(tmp_path / "other", "set"))
    assert len(manifest(Workspace(tmp_path / "other", "set"))) == 36


@pytest.mark.integration
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("solar-cells", [2624, 2624, 0, 0]),
        ("movie-reviews", [10568, 10566, 0, 2]),
        ("movie-scores", [10605, 10601, 4, 0]),
        ("mandarin-tones", [2358, 2358, 0, 0]),
    ],
)
def test_the_real_sets(real_raw: Callable[[str], Workspace], name: str, counts: list[int]) -> None:
    workspace = real_raw(name)
    table = manifest(workspace)
    assert counters(workspace) == counts
    shares = table["split"].value_counts(normalize=True)
    assert shares["test"] == pytest.approx(0.25, abs=0.02)
    if table["group"].notna().all():
        assert (table.groupby("group")["split"].nunique() == 1).all()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("name", "reader", "counts"),
    [
        ("movie-reviews", "movies_to_amazon", [14178, 14166, 0, 12]),
        ("mandarin-tones", "tones_by_speaker", [2358, 2358, 0, 0]),
    ],
)
def test_real_sets_that_are_asked_elsewhere(
    tiny_dataset: Make, config: Any, real_root: Path, name: str, reader: str, counts: list[int]
) -> None:
    source = config.datasets[name].ingest.source.model_copy(update={"reader": reader})
    workspace = Workspace(real_root, reader)
    ingest(tiny_dataset(name, {"ingest.source": source, "ingest.split": ColumnSplit(kind="column")}), workspace)
    assert counters(workspace) == counts
    table = manifest(workspace)
    asked = table["name"].str.contains("amazon" if name == "movie-reviews" else r"/5\.ogg$")
    assert (asked == (table["split"] == "test")).all()


@pytest.mark.integration
def test_the_licence_is_printed(real_root: Path, config: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ingest(config.datasets["movie-reviews"], Workspace(real_root, "licence"))
    assert capsys.readouterr().out == "licence  vaderSentiment: MIT\n"
