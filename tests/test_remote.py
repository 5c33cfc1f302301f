"""A store as the source: what is mirrored and what is fetched again, and what is told when it fails."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks import sources
from tasks.errors import SourceError, UnreachableError
from tasks.ingest import ingest
from tasks.schema import AnyDataset, Columns, FolderSource, RemoteSource, TableSource
from tasks.sources import Refused, Sample, remote
from tasks.workspace import Workspace, file_hashes, read_json

CLASSES = FolderSource(kind="folder", path=Path(), table=None, columns=None)
COLUMNS = Columns(content="text", label="label", group=None, split=None, confidence=None)


def source(address: str, inside: FolderSource | TableSource = CLASSES) -> RemoteSource:
    return RemoteSource(kind="remote", path=Path("data/birds/source"), address=address, inside=inside)


def find(one: RemoteSource, root: Path) -> list[Sample | Refused]:
    return sources.source("remote").find(one, root, root)


def contents(found: list[Sample | Refused]) -> dict[str, bytes]:
    return {one.name: Path(one.content).read_bytes() for one in found if isinstance(one, Sample)}


def reasons(found: list[Sample | Refused]) -> dict[str, str]:
    return {one.name: one.reason for one in found if isinstance(one, Refused)}


def state(root: Path) -> Any:
    return read_json(root / "data/birds/source/state.json")


def mirrored(root: Path) -> set[str]:
    """The files below every mirror of the project."""
    tops = (root / ".local/downloads/remote").glob("*/files")
    return {path.relative_to(top).as_posix() for top in tops for path in top.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of files in a folder outside the project."""
    for name in ("heron/1.jpg", "heron/deep/2.jpg", "coot/3.jpg"):
        write(tmp_path / "birds" / name, name)
    return tmp_path / "birds"


def write(path: Path, content: str, seconds: int = 1_700_000_000) -> None:
    """Write a file as if it had been changed at that moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (seconds, seconds))


def test_files_are_mirrored_and_found(folder: Path, root: Path) -> None:
    found = find(source(f"file://{folder}"), root)
    assert contents(found) == {name: name.encode() for name in ("heron/1.jpg", "heron/deep/2.jpg", "coot/3.jpg")}
    assert {one.label for one in found if isinstance(one, Sample)} == {"heron", "coot"}
    assert mirrored(root) == set(contents(found))
    assert (state(root)["files"], state(root)["bytes"]) == (3, 37)


def test_the_mirror_follows(folder: Path, root: Path) -> None:
    address = source(f"file://{folder}")
    find(address, root)
    (folder / "heron/deep/2.jpg").unlink()
    (folder / "heron/1.jpg").unlink()
    write(folder / "heron/1.jpg/now a folder.jpg", "x")
    write(folder / "coot/3.jpg", "changed!!!", seconds=1_700_000_001)  # of the same size
    write(folder / "coot/4.jpg", "new")
    found = find(address, root)
    assert contents(found) == {"heron/1.jpg/now a folder.jpg": b"x", "coot/3.jpg": b"changed!!!", "coot/4.jpg": b"new"}
    assert mirrored(root) == set(contents(found))
    assert not (next((root / ".local/downloads/remote").iterdir()) / "files/heron/deep").exists()


def test_a_folder_that_became_a_file(folder: Path, root: Path) -> None:
    address = source(f"file://{folder}")
    find(address, root)
    (folder / "heron/deep/2.jpg").unlink()
    (folder / "heron/deep").rmdir()
    write(folder / "heron/deep", "x")
    assert set(contents(find(address, root))) == {"heron/1.jpg", "heron/deep", "coot/3.jpg"}


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were fetched from a local store."""
    from fsspec.implementations.local import LocalFileSystem

    names: list[str] = []
    get = LocalFileSystem.get_file

    def counted(self: Any, place: str, target: str, **rest: Any) -> None:
        names.append(Path(place).name)
        get(self, place, target, **rest)

    monkeypatch.setattr(LocalFileSystem, "get_file", counted)
    return names


def test_only_what_changed_is_fetched(folder: Path, root: Path, fetched: list[str]) -> None:
    address = source(f"file://{folder}")
    find(address, root)
    assert sorted(fetched) == ["1.jpg", "2.jpg", "3.jpg"]
    fetched.clear()
    find(address, root)
    assert fetched == []
    write(folder / "coot/3.jpg", "coot/4.jpg", seconds=1_700_000_001)
    find(address, root)
    assert fetched == ["3.jpg"]


def test_what_was_lost_here_is_fetched_again(folder: Path, root: Path, fetched: list[str]) -> None:
    address = source(f"file://{folder}")
    find(address, root)
    fetched.clear()
    files = next((root / ".local/downloads/remote").iterdir()) / "files"
    (files / "heron/1.jpg").unlink()
    (files / "coot/3.jpg").write_text("cut sho")
    (files / "coot/stray.jpg").write_text("x")
    assert len(contents(find(address, root))) == 3
    assert sorted(fetched) == ["1.jpg", "3.jpg"]
    assert mirrored(root) == {"heron/1.jpg", "heron/deep/2.jpg", "coot/3.jpg"}


def test_after_an_accident_the_rest_is_fetched(
    folder: Path, root: Path, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.sources import mirror

    def dies(line: Any) -> str:
        if line.name.startswith("heron/deep"):
            raise KeyboardInterrupt
        return json.dumps(line) + "\n"

    address = source(f"file://{folder}")
    with monkeypatch.context() as killed:
        killed.setattr(mirror, "_line", dies)
        with pytest.raises(KeyboardInterrupt):
            find(address, root)
    journal = next((root / ".local/downloads/remote").iterdir()) / "fetched.jsonl"
    journal.write_text(journal.read_text() + '["heron/deep/2.j')
    fetched.clear()
    assert len(contents(find(address, root))) == 3
    assert fetched == ["2.jpg"]


def test_a_file_cut_short_on_its_way(folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.implementations.local import LocalFileSystem

    monkeypatch.setattr(LocalFileSystem, "get_file", lambda _self, _place, target: Path(target).write_text("half"))
    with pytest.raises(UnreachableError, match=r"birds: .*\.jpg changed while it was fetched; run again$"):
        find(source(f"file://{folder}"), root)
    assert mirrored(root) == set()


def test_a_table_inside(folder: Path, root: Path) -> None:
    write(folder / "reviews.csv", "text,label\na,x\nb,y\n")
    inside = TableSource(kind="table", path=Path("reviews.csv"), content="text", columns=COLUMNS)
    for address in (f"file://{folder}", f"file://{folder}/", f"file://{folder}/reviews.csv"):
        found = find(source(address, inside), root)
        assert [(one.name, one.content) for one in found if isinstance(one, Sample)] == [
            ("reviews.csv row 2", "a"),
            ("reviews.csv row 3", "b"),
        ]


def test_a_folder_inside_with_a_table(folder: Path, root: Path) -> None:
    write(folder / "labels.csv", "text,label\nheron/1.jpg,grey\nnowhere.jpg,grey\n")
    inside = FolderSource(kind="folder", path=Path(), table="labels.csv", columns=COLUMNS)
    found = find(source(f"file://{folder}", inside), root)
    assert contents(found) == {"heron/1.jpg": b"heron/1.jpg"}
    assert reasons(found) == {"nowhere.jpg": "there is no such file"}


def test_what_is_not_inside(folder: Path, root: Path) -> None:
    inside = TableSource(kind="table", path=Path("reviews.csv"), content="text", columns=COLUMNS)
    with pytest.raises(SourceError, match=r"birds: holds no reviews\.csv; at its top: coot, heron$"):
        find(source(f"file://{folder}", inside), root)


def test_names_that_are_no_paths_here() -> None:
    names = ["a/../../b", "a//b", "./a", "c", "c/d", "e\0", "f/" + "é" * 128, "good/ü.jpg", "go..od"]
    told = {name: reason.split(";")[0] for name, reason in remote._faults(names)}
    assert told == {
        "a/../../b": "its name leads out of the source's folder",
        "a//b": "its name is no path of a file",
        "./a": "its name is no path of a file",
        "e\0": "its name is no path of a file",
        "c": "is named as a folder is",
        "f/" + "é" * 128: "its name is longer than 255 bytes",
    }


def test_a_name_that_leads_out_is_refused_and_counted(
    folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.local import LocalFileSystem

    listed = LocalFileSystem.find

    def with_evil(self: Any, path: str, **rest: Any) -> dict[str, Any]:
        facts = {"type": "file", "size": 3, "mtime": 1.0, "name": f"{path}/../../evil.jpg"}
        return listed(self, path, **rest) | {facts["name"]: facts}

    monkeypatch.setattr(LocalFileSystem, "find", with_evil)
    found = find(source(f"file://{folder}"), root)
    assert len(contents(found)) == 3
    assert reasons(found) == {"../../evil.jpg": "its name leads out of the source's folder"}
    assert state(root)["files"] == 4
    assert not list(root.rglob("evil.jpg"))


def test_looking_notes_a_change_and_only_that(folder: Path, root: Path) -> None:
    address, note = source(f"file://{folder}"), root / "data/birds/source/state.json"
    remote.look(address, root)
    assert mirrored(root) == set()
    before, moment = state(root), note.stat().st_mtime_ns
    remote.look(address, root)
    find(address, root)
    assert (state(root), note.stat().st_mtime_ns) == (before, moment)
    write(folder / "coot/3.jpg", "coot/4.jpg", seconds=1_700_000_001)
    remote.look(address, root)
    changed = state(root)
    assert changed["bytes"] == before["bytes"]
    assert changed != before
    (folder / "coot/3.jpg").rename(folder / "coot/5.jpg")
    remote.look(address, root)
    assert state(root) != changed


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("file://{folder}/nowhere", "file://{folder}/nowhere: there is no file; mend ingest.source.address"),
        ("zz://bucket/birds", "zz://bucket/birds: is no address that fsspec knows (Protocol not known: zz)"),
        ("gs://bucket/birds", "gs://bucket/birds: the client of this store is not installed (Please install gcsfs"),
        ("ftp://me:hunter2@host/x", "ingest.source.address: holds a password; give it to fsspec in the environment"),
    ],
)
def test_an_address_that_is_no_good(folder: Path, root: Path, address: str, told: str) -> None:
    with pytest.raises(SourceError) as error:
        find(source(address.format(folder=folder)), root)
    assert str(error.value).startswith(told.format(folder=folder))
    assert not isinstance(error.value, UnreachableError)
    assert "hunter2" not in str(error.value)


def test_a_store_that_does_not_tell_of_changes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.implementations.local import LocalFileSystem

    facts = {"name": "/birds/a/1.jpg", "type": "file", "size": 3}
    monkeypatch.setattr(LocalFileSystem, "find", lambda *_, **__: {"/birds/a/1.jpg": facts})
    with pytest.raises(SourceError, match="this store does not tell when a file changes; fetch it as an archive"):
        remote.look(source("file:///birds"), root)


def test_every_file_is_used_refused_or_a_duplicate(
    folder: Path, root: Path, tiny_dataset: Callable[..., AnyDataset]
) -> None:
    for number in range(20):
        write(folder / f"coot/more {number}.jpg", f"coot {number}")
    write(folder / "heron/again.jpg", "heron/1.jpg")
    write(folder / "heron/empty.jpg", "")
    write(folder / "notes.txt", "x")
    split = {"ingest.split.validation": 0.2, "ingest.split.test": 0.2}
    changes = {"name": "birds", "ingest.source": source(f"file://{folder}"), "ingest.refused_share": 0.2}
    ingest(tiny_dataset("solar-cells-random", changes | split), Workspace(root, "birds"))
    counted = Workspace(root, "birds").counters("ingest")
    assert [counted[key] for key in ("read", "used", "refused", "duplicates")] == [26, 23, 2, 1]
    refused = pd.read_csv(root / "data/birds/raw/refused.csv")
    assert set(refused["name"]) == {"heron/empty.jpg", "notes.txt"}
    assert len(file_hashes(root / "data/birds/raw/files")) == 23
    assert len(mirrored(root)) == 26, "what is ingested is copied, not taken out of the mirror"
