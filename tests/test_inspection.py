"""What is found by looking at data: how it lies, what its columns are, what is the same, what is strange."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import COLOURS, write_picture, write_sound

from tasks.errors import SourceError
from tasks.inspection import census, columns, contents, findings, likeness, patterns
from tasks.inspection.layouts import recognised
from tasks.inspection.request import Layout, Request

NAMES = {
    "{label}_{group}_*": [
        f"{digit}_{who}_{take}.wav" for digit in range(10) for who in ("theo", "jackson") for take in range(5)
    ],
    "{label}.*": [f"{kind}.{number}.jpg" for kind in ("cat", "dog") for number in range(9)],
    "{label}_*": [f"{kind}_{number}.jpg" for kind in ("great_pyrenees", "pug") for number in range(9)],
    "*_*_{label}.*": [f"img_{number:04}_{'cat' if number % 2 else 'dog'}.png" for number in range(20)],
    None: [f"BloodImage_{number:05}.jpg" for number in range(30)],
}


@pytest.mark.parametrize("wanted", NAMES)
def test_a_label_in_names(wanted: str | None) -> None:
    assert patterns.pattern(NAMES[wanted]) == wanted


def test_dates_are_no_labels() -> None:
    assert patterns.pattern([f"IMG_202601{number % 4:02}_{number:03}.jpg" for number in range(40)]) is None


def asked(root: Path, address: str, **options: str | None) -> Request:
    empty = dict.fromkeys(("modality", "objective", "label", "content", "group", "query", "backbone"))
    return Request(root, "birds", address, **(empty | options))


def pictures(folder: Path, names: list[str]) -> None:
    for seed, name in enumerate(names):
        write_picture(folder / name, COLOURS["red"], seed, size=8)


LAYOUTS: dict[str, tuple[list[str], dict[str, object]]] = {
    "a folder per class": (["heron/1.png", "coot/2.png"], {"kind": "folder", "path": "own", "table": None}),
    "class folders below a single one": (["all/heron/1.png", "all/coot/2.png"], {"kind": "folder", "path": "own/all"}),
    "folders of splits": (
        ["train/heron/1.png", "train/coot/2.png", "val/heron/3.png", "test/coot/4.png"],
        {"kind": "names", "pattern": "{split}/{label}/**"},
    ),
    "folders of splits without validation": (
        ["train/heron/1.png", "train/coot/2.png", "test/coot/4.png"],
        {"kind": "names", "pattern": "*/{label}/**"},
    ),
    "folders of groups in class folders": (
        ["heron/may/1.png", "heron/may/2.png", "heron/june/3.png", "coot/may/4.png"],
        {"kind": "names", "pattern": "{label}/{group}/**"},
    ),
    "labels in names": (
        [f"{kind}_{number}.png" for kind in ("heron", "coot") for number in range(6)],
        {"kind": "names", "path": "own", "pattern": "{label}_*"},
    ),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_a_folder_is_recognised(root: Path, case: str) -> None:
    files, wanted = LAYOUTS[case]
    pictures(root / "own", files)
    layout = recognised(asked(root, "own"))
    assert layout.modality == "image" and len(layout.rows) == len(files)
    assert layout.source | wanted == layout.source
    assert layout.split == ("{split}" in str(wanted))


def test_a_table_beside_files(root: Path) -> None:
    pictures(root / "own", ["a.png", "b.png", "c.png"])
    (root / "own/labels.csv").write_text("file,species\na.png,heron\nb.png,coot\nc.png,coot\n")
    layout = recognised(asked(root, "own"))
    assert layout == recognised(asked(root, "own/labels.csv"))
    chosen = {"content": "file", "label": "species", "group": None, "split": None, "confidence": None}
    assert layout.source == {"kind": "folder", "path": "own", "table": "labels.csv", "columns": chosen}
    assert layout.said == ["labels.csv: content from column file, label from column species"]


def test_a_table_above_the_folder_of_its_files(root: Path) -> None:
    pictures(root / "own/images", ["a.png", "b.png"])
    (root / "own/labels.csv").write_text("file,species\na.png,heron\nb.png,coot\n")
    layout = recognised(asked(root, "own"))
    assert (layout.source["path"], layout.source["table"]) == ("own/images", "../labels.csv")
    assert "a change of it alone goes unnoticed" in layout.said[-1]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_a_table_of_texts(root: Path, suffix: str) -> None:
    rows = pd.DataFrame({"review": ["a fine long film"] * 6, "stars": ["5", "1"] * 3})
    path = root / f"reviews.{suffix}"
    writers: dict[str, Callable[[], object]] = {
        "csv": lambda: rows.to_csv(path, index=False),
        "tsv": lambda: rows.to_csv(path, index=False, sep="\t"),
        "jsonl": lambda: rows.to_json(path, orient="records", lines=True),
        "parquet": lambda: rows.to_parquet(path),
    }
    writers[suffix]()
    layout = recognised(asked(root, path.name))
    assert (layout.modality, layout.source["kind"], layout.source["path"]) == ("text", "table", path.name)
    assert layout.source["columns"]["content"] == "review" and layout.source["columns"]["label"] == "stars"


def test_recordings_and_text_files_in_class_folders(root: Path) -> None:
    for pitch, name in ((220.0, "low/1.wav"), (880.0, "high/2.wav")):
        write_sound(root / "sounds" / name, pitch, 1)
    for name in ("good/1.txt", "bad/2.txt"):
        (root / "texts" / name).parent.mkdir(parents=True)
        (root / "texts" / name).write_text("some words")
    assert recognised(asked(root, "sounds")).modality == "audio"
    assert recognised(asked(root, "texts")).modality == "text"


def test_a_path_beyond_the_project_is_written_whole_and_one_within_it_from_there(root: Path, tmp_path: Path) -> None:
    pictures(tmp_path / "far away", ["heron/1.png", "coot/2.png"])
    for address in ("../far away", str(tmp_path / "far away")):
        assert recognised(asked(root, address)).source["path"] == str(tmp_path / "far away")
    pictures(root / "near", ["heron/1.png", "coot/2.png"])
    for address in ("near", "./near/", str(root / "near")):
        assert recognised(asked(root, address)).source["path"] == "near"


TABLE = pd.DataFrame({
    "id": [str(number) for number in range(40)],
    "comment": ["three words here"] * 40,
    "mood": ["good", "bad"] * 20,
    "patient_id": [str(number // 4) for number in range(40)],
    "part": (["train"] * 20 + ["validation"] * 10 + ["test"] * 10),
    "certainty": ["0.5"] * 40,
})  # fmt: skip


def test_columns_are_told_by_their_names_and_values(root: Path) -> None:
    found = columns.choose(TABLE, "t.csv", asked(root, "t.csv"), lambda cell: False)
    chosen = {"content": "comment", "label": "mood", "group": "patient_id", "split": "part", "confidence": "certainty"}
    assert found == (chosen, False, [], {})


def test_a_split_in_other_words_is_not_used(root: Path) -> None:
    table = TABLE.assign(part=["train"] * 30 + ["dev"] * 10)
    found = columns.choose(table, "t.csv", asked(root, "t.csv"), lambda cell: False)
    assert found.columns["split"] is None
    assert found.said == ["column part says dev, train: not used, a split by column needs train, validation, test"]


def test_what_the_user_names_is_taken_and_other_groups_are_offered(root: Path) -> None:
    request = asked(root, "t.csv", label="patient_id", content="mood")
    found = columns.choose(TABLE.drop(columns=["part"]), "t.csv", request, lambda cell: False)
    assert (found.columns["label"], found.columns["content"]) == ("patient_id", "mood")
    wide = TABLE.assign(shelf=[str(number % 7) for number in range(40)])
    offered = columns.choose(wide, "t.csv", asked(root, "t.csv", label="mood"), lambda cell: False)
    assert offered.repeated == {"shelf": 7}


def counted(root: Path, address: str, objective: str = "classification") -> tuple[Layout, census.Census]:
    layout = recognised(asked(root, address))
    return layout, census.taken(layout, objective)


def test_the_same_bytes_other_labels_and_what_cannot_be_opened_are_told(root: Path) -> None:
    pictures(root / "own", [f"heron/{number}.png" for number in range(4)])
    pictures(root / "own", ["coot/same.png"])
    write_picture(root / "own/heron/again.png", COLOURS["red"], 1, size=8)
    write_picture(root / "own/coot/other.png", COLOURS["blue"], 9, size=8)
    (root / "own/coot/broken.png").write_bytes(b"no picture")
    (root / "own/coot/empty.png").touch()
    layout, found = counted(root, "own")
    seen = contents.seen(found.table, "image", 10_000)
    told = {label: text for label, text in findings.lines(layout, found, seen, "classification") if label}
    assert told["found"] == "9 pictures in 2 folders, whose names are the labels"
    assert told["unusable"].startswith("3 of 9 rows")
    assert told["unreadable"].startswith("1 of 5 opened, the first coot/broken.png (is none of PNG")
    assert told["duplicates"].startswith("1 hold the same bytes as another: kept once")
    assert told["sizes"] == "8 x 8 pixels"


def test_lengths_of_recordings_and_silence(root: Path) -> None:
    write_sound(root / "own/low/1.wav", 220.0, 1, seconds=0.5)
    write_sound(root / "own/high/2.wav", 880.0, 1, seconds=1.5, rate=8000)
    write_sound(root / "own/high/3.wav", 880.0, 2, seconds=1.0)
    import soundfile

    soundfile.write(root / "own/low/none.wav", np.zeros(100), 16000)
    _, found = counted(root, "own")
    seen = contents.seen(found.table, "audio", 0)
    assert sorted(seen.sizes) == pytest.approx([0.5, 1.0, 1.5])
    assert seen.bad == [("low/none.wav", "is silent")]
    assert "0.50 to 1.50, half of them below 1.00 s" in seen.said[0][1] and "16,000 Hz mono" in seen.said[0][1]


def test_texts_nearly_the_same_are_paired_and_others_are_not() -> None:
    words = [f"word{number}" for number in range(60)]
    texts = [" ".join(words), " ".join([*words, "more"]), " ".join(reversed(words)), "too short"]
    assert likeness.texts(["a", "b", "c", "d"], texts) == [("a", "b")]


def test_pictures_nearly_the_same_are_paired_and_plain_ones_are_not() -> None:
    from PIL import Image

    noise = np.random.default_rng(1).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    first = Image.fromarray(noise).resize((64, 64), Image.Resampling.BICUBIC)
    other = Image.fromarray(noise[::-1].copy()).resize((64, 64), Image.Resampling.BICUBIC)
    plain = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    marks = [likeness.fingerprint(picture) for picture in (first, first.resize((50, 50)), other, *plain)]
    assert likeness.pictures(["a", "b", "c", "d", "e"], marks) == [("a", "b")]


def test_labels_that_differ_by_case_or_space_only() -> None:
    assert findings.alike(["Cat", "cat ", "grey heron", "Grey-heron", "dog"]) == [
        ["Cat", "cat "],
        ["Grey-heron", "grey heron"],
    ]


def labelled(labels: list[str]) -> Layout:
    from tasks.sources import Sample

    rows = [Sample(str(number), f"text {number}", label, "", "", "") for number, label in enumerate(labels)]
    return Layout("text", {}, list(rows), [], {}, False, {}, True)


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        (["cat", "dog"] * 30, "classification"),
        ([str(number % 5) for number in range(60)], "classification"),
        ([f"{number / 7:.3f}" for number in range(60)], "regression"),
        ([f"class{number % 30}" for number in range(60)], "classification"),
        (["nan"] * 60, "classification"),
    ],
)
def test_many_different_numbers_are_quantities(labels: list[str], wanted: str) -> None:
    assert census.objective(labelled(labels))[0] == wanted


def test_of_large_data_an_even_part_is_read(root: Path) -> None:
    pictures(root / "own", [f"heron/{number}.png" for number in range(6)] + ["coot/1.png"])
    rows = recognised(asked(root, "own")).rows
    assert census.bounded(rows, 10**9) == rows
    part = census.bounded(rows, sum((root / "own" / row.name).stat().st_size for row in rows) // 3)
    assert 2 <= len(part) <= 3


FAULTS: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "nothing there": ({}, {"address": "own/none"}, r"--from own/none: there is no such file or folder$"),
    "an empty folder": ({}, {"address": "own"}, r"own: is empty; expected pictures, recordings, texts or a table"),
    "an archive": ({"a.zip": ""}, {"address": "own/a.zip"}, r"is an archive; unpack it"),
    "one picture": ({"a.png": ""}, {"address": "own/a.png"}, r"is one file; expected a folder of samples, or a table"),
    "neither pictures nor texts": ({"a.xyz": "", "b.xyz": ""}, {}, r"own: holds no pictures.* or tables, but 2 \.xyz"),
    "no labels": (
        {f"{number}.png": "" for number in range(9)} | {f"{number}.xml": "" for number in range(9)},
        {},
        r"9 pictures, but nothing says their labels \(9 \.xml beside.*sort them into a folder per class",
    ),
    "two tables": ({"a.csv": "x", "b.csv": "x"}, {}, r"holds several tables; name one of them: a\.csv, b\.csv"),
    "an empty table": ({"a.csv": "text,label\n"}, {}, r"a\.csv: is empty; expected a row per sample"),
    "a table without a label": (
        {"a.csv": "\n".join(["text,note", *(f"some words {n},note {n}" for n in range(9))])},
        {},
        r"a\.csv: no column looks like labels; name it: --label COLUMN \(there are: text, note\)",
    ),
    "a table with several": (
        {"a.csv": "\n".join(["text,p,q", *(f"some words {n},{n % 2},{n % 2}" for n in range(20))])},
        {},
        r"several columns could be the label; name it: --label COLUMN, one of p \(2 values\), q \(2 values\)",
    ),
    "a table without texts": ({"a.csv": "x,label\n1,a\n2,b\n"}, {}, r"no column holds texts.*--content COLUMN"),
    "a column that is none": (
        {"a.csv": "text,label\nsome words,a\n"},
        {"label": "lable"},
        r"a\.csv: no column lable; there are: text, label\. Did you mean label\?",
    ),
    "a label for a folder": (
        {"heron/1.png": ""},
        {"label": "species"},
        r"--label species: own is read without",
    ),
    "another modality": ({"heron/1.png": ""}, {"modality": "audio"}, r"own: holds no recordings, but 1 \.png"),
    "a pattern that fits nothing": ({"a.png": ""}, {"label": "{label}_*"}, r"no file matches the pattern"),
    "a query without a database": ({}, {"query": "SELECT 1", "address": "NO_SUCH"}, r"NO_SUCH: there is no such env"),
    "a database without a query": ({}, {"address": "REVIEWS_DB"}, r"for a database add --query"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_cannot_be_learnt_from_is_told_in_one_line(root: Path, case: str) -> None:
    files, options, told = FAULTS[case]
    (root / "own").mkdir()
    for name, text in files.items():
        (root / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "own" / name).write_text(text)
    with pytest.raises(SourceError, match=told) as error:
        recognised(asked(root, options.pop("address", "own"), **options))
    assert "\n" not in str(error.value)


def test_a_label_that_is_written_in_the_text_is_told(root: Path) -> None:
    rows = [f"this {kind} is {number},{kind}" for number in range(12) for kind in ("heron", "coot")]
    (root / "own.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    layout, found = counted(root, "own.csv")
    assert findings._written_in(layout, found.table, "classification") == [
        ("leak", "100% of the texts hold their own label, word for word: take it out, or that is learnt")
    ]
    (root / "own.csv").write_text(
        (root / "own.csv").read_text().replace("this heron", "a bird").replace("coot is", "is")
    )
    layout, found = counted(root, "own.csv")
    assert findings._written_in(layout, found.table, "classification") == []


@pytest.mark.parametrize("option", ["group", "content"])
def test_an_option_for_tables_is_no_option_for_folders(root: Path, option: str) -> None:
    pictures(root / "own", ["heron/1.png", "coot/2.png"])
    with pytest.raises(
        SourceError, match=rf"--{option} day: it names a column of a table, and this is read without one"
    ):
        recognised(asked(root, "own", **{option: "day"}))


def test_only_a_declared_part_is_opened_and_that_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "LOOKED", 3)
    pictures(root / "own", [f"heron/{number}.png" for number in range(5)] + ["coot/1.png"])
    layout, found = counted(root, "own")
    seen = contents.seen(found.table, "image", 10_000)
    assert (seen.looked, len(seen.sizes)) == (3, 3)
    told = findings.lines(layout, found, seen, "classification")
    assert ("", "all were counted and 3 of 6, drawn at random, opened") in told
