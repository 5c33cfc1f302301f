"""A bad archive or a bad server: one line, no file outside the scratch folder, and the earlier data stays."""

import gzip
import hashlib
import io
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import bad
import pandas as pd
import pytest
from bad import PARAMS, STAYS, write

from tasks.sources import archives, url
from tasks.workspace import Workspace

PICTURES = {f"set/{'ab'[number % 2]}/{number}.png": f"picture {number}".encode() for number in range(60)}


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def tarred(entries: list[tuple[str, bytes]], mode: str = "w:gz") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode, format=tarfile.PAX_FORMAT) as archive:
        for name, content in entries:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def encrypted() -> bytes:
    """A zip whose only entry says that it is encrypted (bit 0 of its flags, in both headers)."""
    content = bytearray(zipped({"set/a/1.png": b"secret"}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def header_bomb() -> bytes:
    """A tar that announces a name of a tebibyte."""
    member = tarfile.TarInfo("long")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 2**40
    return member.tobuf(tarfile.GNU_FORMAT) + bytes(10_240)


def twice() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        for content in (b"one", b"two"):
            archive.writestr("set/a/1.png", content)
    return stream.getvalue()


def with_nul() -> bytes:
    """A tar whose extended header gives its file a name with a NUL byte."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("set/a/1.png")
        member.pax_headers = {"path": "set/a/1\0.png"}
        archive.addfile(member)
    return stream.getvalue()


STOPPED: dict[str, tuple[str, bytes, str]] = {
    "a zip cut off": ("set.zip", zipped(PICTURES)[:-100], "cannot be unpacked: File is not a zip file"),
    "a tar.gz cut off": (
        "set.tar.gz", tarred(list(PICTURES.items()))[:-200],
        "cannot be unpacked: Compressed file ended before the end-of-stream marker was reached",
    ),
    "a tar cut off between two files": (
        "set.tar", tarred(list(PICTURES.items()), "w")[: 20 * 1024], "is cut off; fetch it again; refused",
    ),
    "an encrypted zip": (
        "set.zip", encrypted(), "set/a/1.png is encrypted; unpack it yourself and name the folder; refused",
    ),
    "a file twice in a zip": ("set.zip", twice(), "set/a/1.png stands in it twice; pack it again; refused"),
    "a file twice in a tar": (
        "set.tar", tarred([("set/a/1", b"one"), ("./set/a/1", b"two")], "w"),
        "./set/a/1 stands in it twice; pack it again; refused",
    ),
    "a file where a folder is needed": (
        "set.tar", tarred([("set/a", b"one"), ("set/a/1.png", b"two")], "w"), "cannot be unpacked: File exists: a",
    ),
    "an empty zip": ("set.zip", zipped({}), "holds no set; at its top: nothing"),
    "an empty tar": ("set.tar", tarred([], "w"), "holds no set; at its top: nothing"),
    "a name with a NUL byte": ("set.tar", with_nul(), "cannot be unpacked: embedded null byte"),
    "backslashes for slashes": (
        "set.zip", zipped({"set\\a\\1.png": b"x"}),
        "set\\a\\1.png has a backslash where folders are cut by /; pack it again; refused",
    ),
    "a name that is too long": (
        "set.zip", zipped({f"set/a/{'x' * 300}.png": b"x"}), f"cannot be unpacked: File name too long: {'x' * 40}",
    ),
    "a header of a tebibyte": (
        "set.tar", header_bomb(), "long has a header of 1,099,511,627,776 bytes: a compression bomb; refused",
    ),
    "a web page": (
        "set.zip", b"<!DOCTYPE html><html>Please sign in</html>",
        "is an HTML page; fetch the file itself: the page may tell of an error or ask for a login",
    ),
    "a Git LFS pointer": (
        "set.tar.gz", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "is a Git LFS pointer; run `git lfs pull` where it comes from",
    ),
    "a picture": ("set.zip", b"\x89PNG\r\n\x1a\n" + bytes(100), "is a PNG picture; put the file itself in its place"),
    "a flat bomb": (
        "set.zip", zipped({"set/a/zeros.png": bytes(50_000_000)}),
        "unpacks to far more than its size by set/a/zeros.png: a compression bomb; refused",
    ),
    "folders without end": (
        "set.zip", zipped({f"set/{number}/": b"" for number in range(201)}), "holds more than 200 files; refused",
    ),
}  # fmt: skip
"""By what is wrong: the archive's name, its content, and the line without the data set and the archive."""

USED: dict[str, tuple[str, bytes, int]] = {
    "a zip named tar": ("set.tar", zipped(PICTURES), 60),
    "a tar named zip": ("set.zip", tarred(list(PICTURES.items())), 60),
    "names that differ by case only": ("set.zip", zipped(PICTURES | {"set/a/X.png": b"1", "set/a/x.png": b"2"}), 62),
    "a bomb inside, which is never opened": (
        "set.zip", zipped(PICTURES | {"set/a/bomb.zip": zipped({"zeros": bytes(50_000_000)})}), 61,
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def project(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    bad.ingested(root, monkeypatch, capsys)
    monkeypatch.setattr(archives, "SMALL_BYTES", 40_000_000)
    monkeypatch.setattr(archives, "ENTRIES", 200)


def declare(root: Path, address: str, sha256: str) -> None:
    """Let the data set come from an address."""
    old = PARAMS[PARAMS.index("        kind: table") : PARAMS.index("      split: {kind: hash")]
    inside = "{kind: folder, path: set, table: null, columns: null}"
    facts = {"kind": "url", "path": "texts", "url": address, "sha256": sha256, "licence": "CC0-1.0", "inside": inside}
    new = "".join(f"        {key}: {value}\n" for key, value in facts.items())
    write(root / "params.yaml", PARAMS.replace(old, new))


def archive(root: Path, name: str, content: bytes) -> None:
    declare(root, write(root / "texts" / name, content).as_uri(), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("case", STOPPED)
def test_it_stops_with_one_line_and_leaves_nothing_behind(
    root: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    name, content, told = STOPPED[case]
    archive(root, name, content)
    before = bad.standing(root)
    answer = bad.stage("ingest", "colours", capsys)
    kept = f"{hashlib.sha256(content).hexdigest()[:12]}-"  # the name in .local/downloads
    assert (answer.code, answer.err.replace(kept, "")) == (1, f"colours: {name}: {told}{STAYS}\n")
    assert bad.standing(root) == before
    assert not list((root / ".local" / "tmp").iterdir())


@pytest.mark.parametrize("case", USED)
def test_what_is_only_odd_is_used(root: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    name, content, used = USED[case]
    archive(root, name, content)
    assert bad.stage("ingest", "colours", capsys).code == 0
    counted = Workspace(root, "colours").counters("ingest")
    assert counted["read"] == counted["used"] == used
    assert len(pd.read_parquet(root / "data/colours/raw/manifest.parquet")) == used


class Server(BaseHTTPRequestHandler):
    """Answers each path in another bad way."""

    def do_GET(self) -> None:
        kind = self.path.rpartition("/")[2].removesuffix(".zip")
        if kind.isdigit():
            self.send_error(int(kind))
            return
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"PK\x03\x04")
        self.wfile.flush()
        if kind == "hangs":
            time.sleep(3)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    running = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


RETRY = "try again, or mend ingest.source.url"
SERVERS = {
    "404": "the server answers 404 Not Found; mend ingest.source.url",
    "503": "the server answers 503 Service Unavailable; try again later",
    "hangs": f"cannot be fetched (timed out); {RETRY}",
    "closes": f"cannot be fetched (it ended after 4 of 1,000 bytes); {RETRY}",
}


@pytest.mark.parametrize("kind", SERVERS)
def test_a_bad_server_is_told_and_nothing_of_it_is_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], server: str, kind: str
) -> None:
    monkeypatch.setattr(url, "TIMEOUT_SECONDS", 0.5)
    declare(root, f"{server}/{kind}.zip", "a" * 64)
    before = bad.standing(root)
    answer = bad.stage("ingest", "colours", capsys)
    assert (answer.code, answer.err) == (1, f"colours: {server}/{kind}.zip: {SERVERS[kind]}{STAYS}\n")
    assert bad.standing(root) == before
    assert [path.suffix for path in (root / ".local/downloads").iterdir()] == [".lock"]


def test_another_file_than_the_declared_one_is_never_opened(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = zipped(PICTURES)
    address = write(root / "texts/set.zip", content).as_uri()
    declare(root, address, "b" * 64)
    answer = bad.stage("ingest", "colours", capsys)
    told = f"has sha256 {hashlib.sha256(content).hexdigest()}, declared is {'b' * 64}; not opened, the file at this"
    assert answer.err == f"colours: {address}: {told} address is not the one that was declared{STAYS}\n"


@pytest.mark.slow
def test_a_million_folders_end_in_bounded_time(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(archives, "ENTRIES", 1_000_000)
    folder = tarfile.TarInfo("set")
    folder.type = tarfile.DIRTYPE
    blocks = folder.tobuf() * 1000
    with gzip.open(root / "texts/set.tar.gz", "wb", compresslevel=1) as stream:
        for _ in range(1001):
            stream.write(blocks)
    archive(root, "set.tar.gz", (root / "texts/set.tar.gz").read_bytes())
    began = time.monotonic()
    answer = bad.stage("ingest", "colours", capsys)
    assert answer.err.endswith(f"-set.tar.gz: holds more than 1,000,000 files; refused{STAYS}\n")
    assert time.monotonic() - began < 300
