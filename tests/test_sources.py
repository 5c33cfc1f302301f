"""What each source finds, and how it says what it cannot find."""

import hashlib
import os
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks import sources
from tasks.errors import ConfigError, SourceError
from tasks.schema import Columns, FolderSource, TableSource, UrlSource
from tasks.sources import Refused, Sample, readers

TEXTS = {"content": "text", "label": "label", "group": None, "split": None, "confidence": None}
PATHS = TEXTS | {"content": "file"}


def find(source: Any, root: Path) -> list[Sample | Refused]:
    scratch = root / "scratch"
    scratch.mkdir(exist_ok=True)
    return sources.source(source.kind).find(source, root, scratch)


def reasons(found: list[Sample | Refused]) -> dict[str, str]:
    return {one.name: one.reason for one in found if isinstance(one, Refused)}


def labels(found: list[Sample | Refused]) -> dict[str, str]:
    return {one.name: one.label for one in found if isinstance(one, Sample)}


def write(path: Path, content: str | bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def folder(table: str | None = None, columns: Columns | None = None) -> FolderSource:
    return FolderSource(kind="folder", path=Path("set"), table=table, columns=columns)


def table(name: str, content: str = "text", **columns: str | None) -> TableSource:
    named = Columns(**{**(TEXTS if content == "text" else PATHS), **columns})
    return TableSource(kind="table", path=Path(name), content=content, columns=named)


# --- folders


def test_a_folder_per_class_at_any_depth(root: Path) -> None:
    for name in ("cat/1.png", "cat/2019/may/2.png", "dog/3.png", "empty/.keep", ".git/x", "dog/Thumbs.db"):
        write(root / "set" / name)
    assert labels(find(folder(), root)) == {"cat/1.png": "cat", "cat/2019/may/2.png": "cat", "dog/3.png": "dog"}


def test_a_file_outside_the_class_folders_is_refused(root: Path) -> None:
    write(root / "set/cat/1.png")
    write(root / "set/notes.txt")
    assert reasons(find(folder(), root)) == {"notes.txt": "lies in no class folder"}


@pytest.mark.parametrize("files", [[], [".DS_Store"], ["cat/.DS_Store"]])
def test_an_empty_folder(root: Path, files: list[str]) -> None:
    (root / "set").mkdir()
    for name in files:
        write(root / "set" / name)
    with pytest.raises(SourceError, match="set: is empty; expected a folder per class"):
        find(folder(), root)


def test_a_flat_folder_without_a_table(root: Path) -> None:
    write(root / "set/1.png")
    with pytest.raises(SourceError, match=r"none of its 1 files is usable, .*1\.png.*lies in no class folder"):
        find(folder(), root)


def test_a_folder_that_is_not_there(root: Path) -> None:
    with pytest.raises(SourceError, match="set: there is no such folder"):
        find(folder(), root)


def test_links_out_of_the_folder_are_refused(root: Path) -> None:
    write(root / "set/cat/1.png")
    write(root / "secret")
    for name, target in {"out": "../../secret", "in": "1.png", "dangling": "nothing"}.items():
        (root / "set/cat" / name).symlink_to(target)
    found = find(folder(), root)
    assert labels(found) == {"cat/1.png": "cat", "cat/in": "cat"}
    assert reasons(found) == {
        "cat/out": "is a link that leads out of the source's folder",
        "cat/dangling": "is a link to nothing",
    }


def test_a_linked_class_folder_stops(root: Path) -> None:
    write(root / "set/cat/1.png")
    write(root / "dogs/2.png")
    (root / "set/dog").symlink_to(root / "dogs")
    with pytest.raises(SourceError, match="set/dog: is a link to a folder"):
        find(folder(), root)


def test_pipes_are_refused(root: Path) -> None:
    write(root / "set/cat/1.png")
    os.mkfifo(root / "set/cat/pipe")
    assert reasons(find(folder(), root)) == {"cat/pipe": "is no regular file"}


def test_a_folder_with_a_table(root: Path) -> None:
    write(root / "set/a/1.png")
    write(root / "secret.png")
    rows = ["file,label,who,sure", "a/1.png,cat,ann,0.7", "gone.png,dog,bob,", "../secret.png,dog,bob,", ",cat,ann,"]
    write(root / "set/labels.csv", "\n".join([*rows, f"{root}/secret.png,dog,bob,"]))
    columns = Columns(content="file", label="label", group="who", split=None, confidence="sure")
    found = find(folder("labels.csv", columns), root)
    assert found[0] == Sample("a/1.png", root / "set/a/1.png", "cat", "ann", "", "0.7")
    assert reasons(found) == {
        "gone.png": "there is no such file",
        "../secret.png": "leads out of the source's folder",
        "labels.csv row 5": "names no file",
        f"{root}/secret.png": "leads out of the source's folder",
    }


def test_a_table_without_columns(root: Path) -> None:
    write(root / "set/labels.csv", "file,label\n")
    with pytest.raises(ConfigError, match=r"ingest\.source\.columns: is null"):
        find(folder("labels.csv"), root)


# --- tables


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_tables_are_read_as_text(root: Path, suffix: str) -> None:
    path = root / f"reviews{suffix}"
    data = pd.DataFrame({"text": ["NA", 'says "hi",\nand\tgoes', "01"], "label": ["yes", "null", "007"]})
    if suffix == ".jsonl":
        data.to_json(path, orient="records", lines=True)
    elif suffix == ".parquet":
        data.to_parquet(path)
    else:
        data.to_csv(path, sep="," if suffix == ".csv" else "\t", index=False)
    found = find(table(path.name), root)
    assert [(one.content, one.label) for one in found] == list(data.itertuples(index=False, name=None))


def test_rows_are_numbered_as_a_user_sees_them(root: Path) -> None:
    write(root / "a.csv", "text,label\nfirst,x\n\nsecond,y\n")
    write(root / "a.jsonl", '{"text": "first", "label": "x"}\n')
    assert list(labels(find(table("a.csv"), root))) == ["a.csv row 2", "a.csv row 4"]
    assert list(labels(find(table("a.jsonl"), root))) == ["a.jsonl row 1"]


def test_numbers_keep_their_digits(root: Path) -> None:
    write(root / "a.jsonl", '{"text": "a", "label": 1.50}\n{"text": "b", "label": null}\n{"text": "c"}\n')
    assert list(labels(find(table("a.jsonl"), root)).values()) == ["1.50", "", ""]
    pd.DataFrame({"text": ["a", "b"], "label": [3, 4]}).to_parquet(root / "a.parquet")
    assert list(labels(find(table("a.parquet"), root)).values()) == ["3", "4"]


def test_files_named_by_a_table(root: Path) -> None:
    write(root / "data/pictures/1.png")
    write(root / "data/index.csv", "file,label\npictures/1.png,cat\n./pictures/../pictures/1.png,cat\n")
    found = find(table("data/index.csv", content="path"), root)
    assert labels(found) == {"pictures/1.png": "cat"}
    assert len(found) == 2


@pytest.mark.parametrize("content", ["text", "path"])
def test_how_sure_the_annotators_were_is_read_as_it_stands(root: Path, content: str) -> None:
    write(root / "1.png")
    write(root / "a.csv", "text,file,label,sure\nfine,1.png,x,0.50\nfine,1.png,x,\nfine,1.png,x,high\n")
    found = find(table("a.csv", content, confidence="sure"), root)
    assert [one.confidence for one in found] == ["0.50", "", "high"]
    assert {one.confidence for one in find(table("a.csv", content), root)} == {""}
    with pytest.raises(SourceError, match=r"a\.csv: no column certainty; there are: text, file, label, sure"):
        find(table("a.csv", content, confidence="certainty"), root)


def test_a_table_that_is_not_there(root: Path) -> None:
    with pytest.raises(SourceError, match=r"a\.csv: there is no such table"):
        find(table("a.csv"), root)


# --- addresses


def address(root: Path, name: str, content: bytes, inside: FolderSource | TableSource) -> UrlSource:
    return UrlSource(
        kind="url",
        path=Path("data/set/source"),
        url=write(root / "server" / name, content).as_uri(),
        sha256=hashlib.sha256(content).hexdigest(),
        licence="CC0-1.0",
        inside=inside,
    )


def zipped(root: Path, files: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(root / "made.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return (root / "made.zip").read_bytes()


def test_an_archive_at_an_address(root: Path) -> None:
    content = zipped(root, {"set/cat/1.png": b"1", "set/dog/2.png": b"2", "__MACOSX/x": b"3"})
    source = address(root, "animals.zip", content, folder())
    assert labels(find(source, root)) == {"cat/1.png": "cat", "dog/2.png": "dog"}
    assert sources.source("url").licence(source) == "animals.zip: CC0-1.0"


def test_a_table_at_an_address(root: Path) -> None:
    source = address(root, "a%20b.csv", b"text,label,sure\nfine,x,0.9\n", table("a%20b.csv"))
    source = source.model_copy(update={"url": source.url.replace("%2520", "%20")})
    (root / "server/a%20b.csv").rename(root / "server/a b.csv")
    source = source.model_copy(update={"inside": table("a b.csv", confidence="sure")})
    found = find(source, root)
    assert [(one.name, one.label, one.confidence) for one in found] == [("a b.csv row 2", "x", "0.9")]


def test_a_fetched_file_outlives_its_server(root: Path) -> None:
    source = address(root, "a.csv", b"text,label\nfine,x\n", table("a.csv"))
    find(source, root)
    (root / "server/a.csv").unlink()
    assert len(find(source, root)) == 1


def test_a_file_that_is_not_the_declared_one_is_not_opened(root: Path) -> None:
    source = address(root, "a.csv", b"text,label\nfine,x\n", table("a.csv"))
    write(root / "server/a.csv", b"text,label\nfine,altered\n")
    with pytest.raises(SourceError, match=r"has sha256 .*, declared is .*; not opened"):
        find(source, root)
    assert not list((root / ".local/downloads").glob("*.csv"))
    assert not list((root / "scratch").iterdir())


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/a.csv", "data:text/csv,a", "a.csv", "http://127.0.0.1:9/a.csv"])
def test_addresses_that_cannot_be_fetched(root: Path, url: str) -> None:
    source = address(root, "a.csv", b"text,label\nfine,x\n", table("a.csv"))
    with pytest.raises(SourceError, match=r"is no address of http|cannot be fetched") as error:
        find(source.model_copy(update={"url": url}), root)
    assert str(error.value).startswith(url)


def test_what_an_archive_holds_is_told_if_it_is_not_what_was_named(root: Path) -> None:
    source = address(root, "animals.zip", zipped(root, {"birds/heron/1.png": b"1"}), folder())
    with pytest.raises(SourceError, match=r"animals\.zip: holds no set; at its top: birds"):
        find(source, root)


# --- packages


def test_readers_name_the_labels_they_offer(root: Path) -> None:
    with pytest.raises(SourceError, match="no 'colour'; this reader offers defective, probability"):
        readers.solar_cells(root, "colour")


def test_a_package_that_is_not_what_its_reader_knows(root: Path) -> None:
    with pytest.raises(SourceError, match=r"the package holds no elpv_dataset/data/labels\.csv"):
        readers.solar_cells(root, "defective")


def test_solar_groups_are_blocks_inside_a_run(root: Path) -> None:
    kinds = ["mono"] * 70 + ["poly"] * 60 + ["mono"] * 5
    rows = [f"images/{number}.png  0.6666666666666666  {kind}" for number, kind in enumerate(kinds)]
    write(root / "elpv_dataset/data/labels.csv", "\n".join(rows))
    for number in range(len(kinds)):
        write(root / f"elpv_dataset/data/images/{number}.png")
    found = readers.solar_cells(root, "defective")
    sizes = pd.Series([one.group for one in found]).value_counts(sort=False)
    assert sizes.tolist() == [60, 10, 60, 5]
    assert {one.label for one in found} == {"defective"}
    assert {one.label for one in readers.solar_cells(root, "probability")} == {"0.6666666666666666"}


@pytest.mark.parametrize(
    ("probability", "label", "confidence"),
    [
        ("0.0", "functional", 1),
        ("0.3333333333333333", "functional", 2 / 3),
        ("0.6666666666666666", "defective", 2 / 3),
        ("1.0", "defective", 1),
    ],
)
def test_solar_labels_are_as_sure_as_their_annotators(
    root: Path, probability: str, label: str, confidence: float
) -> None:
    write(root / "elpv_dataset/data/labels.csv", f"images/1.png  {probability}  mono")
    write(root / "elpv_dataset/data/images/1.png")
    (found,) = readers.solar_cells(root, "defective")
    assert (found.label, float(found.confidence)) == (label, pytest.approx(confidence, abs=1e-9))
    (found,) = readers.solar_cells(root, "probability")
    assert (found.label, found.confidence) == (probability, "")


def test_two_thirds_are_one_confidence(root: Path) -> None:
    rows = ["images/1.png  0.3333333333333333  mono", "images/1.png  0.6666666666666666  mono"]
    write(root / "elpv_dataset/data/labels.csv", "\n".join(rows))
    write(root / "elpv_dataset/data/images/1.png")
    assert len({one.confidence for one in readers.solar_cells(root, "defective")}) == 1


def sentences(root: Path, movies: list[tuple[str, str]], amazon: list[tuple[str, str, str]]) -> None:
    """Write the package of the reviews: (score, text) of films, (id, score, text) of Amazon."""
    tables = {
        "movieReview": [(str(number), *row) for number, row in enumerate(movies, start=1)],
        "amazonReview": amazon,
    }
    for kind, rows in tables.items():
        lines = "\r\n".join("\t".join(row) for row in rows)
        write(root / f"hutto_ICWSM_2014/{kind}Snippets_GroundTruth.txt", lines)
    target = root / "vader/additional_resources/hutto_ICWSM_2014.tar.gz"
    target.parent.mkdir(parents=True)
    with tarfile.open(target, "w:gz") as archive:
        archive.add(root / "hutto_ICWSM_2014", "hutto_ICWSM_2014")
    shutil.rmtree(root / "hutto_ICWSM_2014")


def test_films_are_learnt_from_and_products_are_asked(root: Path) -> None:
    films = [("-1.5" if number % 2 else "2", f"film {number}") for number in range(500)]
    products = [("1_1", "-0.9", "no picture"), ("1_2", "0", "so so"), ("309_2", "2.1", "fine")]
    sentences(root, [*films, ("0", "nothing")], products)
    found = readers.movies_to_amazon(root, "sentiment")
    assert [(one.content, one.label, one.group, one.split) for one in found[500:]] == [
        ("no picture", "negative", "document 1", "test"),
        ("fine", "positive", "document 309", "test"),
    ]
    assert found[501].name == "amazonReviewSnippets_GroundTruth.txt row 3"
    learnt = found[:500]
    assert [one.label for one in learnt[:2]] == ["positive", "negative"]
    assert {(one.group, one.confidence) for one in learnt} == {("", "")}
    assert {one.split for one in learnt} == {"train", "validation"}
    assert sum(one.split == "validation" for one in learnt) == pytest.approx(50, abs=15)


def test_a_film_sentence_stays_in_its_split_when_others_come(root: Path) -> None:
    films = [("1", f"film {number}") for number in range(60)]
    drawn = []
    for name, rows in {"before": films, "after": [*films[30:], *films[:30], ("1", "new"), films[0]]}.items():
        sentences(root / name, rows, [("1_1", "1", "fine")])
        drawn.append({one.content: one.split for one in readers.movies_to_amazon(root / name, "sentiment")})
    assert drawn[0].items() <= drawn[1].items()


def test_film_reviews_bring_no_split_and_no_group(root: Path) -> None:
    sentences(root, [("1", "fine"), ("0", "so so")], [("1_1", "1", "good")])
    (found,) = readers.movie_reviews(root, "sentiment")
    assert found == Sample("movieReviewSnippets_GroundTruth.txt row 1", "fine", "positive", "", "", "")


@pytest.mark.parametrize(
    ("reader", "label"), [("movies_to_amazon", "score"), ("tones_by_speaker", "speaker"), ("mandarin_tones", "x")]
)
def test_labels_no_reader_offers(root: Path, reader: str, label: str) -> None:
    with pytest.raises(
        SourceError, match=rf"ingest\.source\.label: no '{label}'; this reader offers (sentiment|tone)$"
    ):
        readers.READERS[reader](root, label)


def recordings(root: Path, names: list[str]) -> None:
    for name in names:
        write(root / "usr/share/gcin-voice/ogg" / name)


def test_one_speaker_is_learnt_from_and_the_other_is_asked(root: Path) -> None:
    names = [f"{syllable}{tone}/{speaker}.ogg" for syllable in range(200) for tone in "ab" for speaker in (3, 5)]
    recordings(root, [name.replace("a/", "ㄚ2/").replace("b/", "ㄚ4/") for name in names])
    found = readers.tones_by_speaker(root, "tone")
    drawn = pd.DataFrame(found).groupby("group")["split"].agg(["nunique", "first", "size"])
    assert len(found) == 800 and (drawn["nunique"] == 1).all() and (drawn["size"] == 2).all()
    asked = drawn.index.str.endswith(" speaker 5")
    assert set(drawn.loc[asked, "first"]) == {"test"} and asked.sum() == 200
    assert (drawn.loc[~asked, "first"] == "validation").sum() == pytest.approx(30, abs=15)
    assert set(drawn.loc[~asked, "first"]) == {"train", "validation"}
    assert found[0]._replace(group="", split="") == readers.mandarin_tones(root, "tone")[0]._replace(group="")


def test_tones_and_syllables(root: Path) -> None:
    names = ["ㄅㄚ/3.ogg", "ㄅㄚ1/3.ogg", "ㄅㄚ4/5.ogg"]
    recordings(root, names)
    found = readers.mandarin_tones(root, "tone")
    assert labels(found) == dict(zip(names, ["1", "neutral", "4"], strict=True))
    assert {one.group for one in found} == {"ㄅㄚ"}


@pytest.mark.integration
@pytest.mark.parametrize(
    ("name", "counts", "groups"),
    [
        ("solar-cells", {"defective": 821, "functional": 1803}, 45),
        ("movie-reviews", {"negative": 5326, "positive": 5242}, 1),
        ("mandarin-tones", {"1": 625, "2": 479, "3": 582, "4": 648, "neutral": 24}, 415),
    ],
)
def test_the_packages_hold_what_the_catalogue_says(
    real_root: Path, tmp_path: Path, config, name: str, counts: dict[str, int], groups: int
) -> None:
    source = config.datasets[name].ingest.source
    found = sources.source("package").find(source, real_root, tmp_path)
    assert pd.Series([one.label for one in found]).value_counts().sort_index().to_dict() == counts
    assert len({one.group for one in found}) == groups


@pytest.mark.integration
def test_movie_scores_keep_the_zeros(real_root: Path, tmp_path: Path, config) -> None:
    found = sources.source("package").find(config.datasets["movie-scores"].ingest.source, real_root, tmp_path)
    scores = [float(one.label) for one in found]
    assert (len(scores), scores.count(0)) == (10605, 37)
    assert found[1].content.startswith("The gorgeously elaborate continuation of ''The Lord of the Rings''")


SHIFTS = {
    "movies_to_amazon": ("movie-reviews", {"train": 9530, "validation": 1038, "test": 3610}),
    "tones_by_speaker": ("mandarin-tones", {"train": 1049, "validation": 151, "test": 1158}),
}


@pytest.mark.integration
@pytest.mark.parametrize("reader", SHIFTS)
def test_what_is_asked_comes_from_elsewhere(real_root: Path, tmp_path: Path, config, reader: str) -> None:
    name, counts = SHIFTS[reader]
    source = config.datasets[name].ingest.source.model_copy(update={"reader": reader})
    found = pd.DataFrame(sources.source("package").find(source, real_root, tmp_path))
    assert found["split"].value_counts().to_dict() == counts
    assert (found[found["group"] != ""].groupby("group")["split"].nunique() == 1).all()
    assert all(set(part) == set(found["label"]) for _, part in found.groupby("split")["label"])


@pytest.mark.integration
def test_solar_confidence(real_root: Path, tmp_path: Path, config) -> None:
    found = sources.source("package").find(config.datasets["solar-cells"].ingest.source, real_root, tmp_path)
    assert pd.Series([one.confidence for one in found]).value_counts().to_dict() == {"1": 2223, "0.666666666667": 401}
