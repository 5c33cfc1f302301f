"""Archives unpack to what they hold, or are refused before they can do harm."""

import io
import shutil
import stat
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tasks.errors import SourceError
from tasks.sources import archives


def tar_of(path: Path, entries: list[tarfile.TarInfo | tuple[str, bytes]], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
                continue
            name, content = entry
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def zip_of(path: Path, entries: dict[str, bytes], attributes: int = 0o100644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = attributes << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
    return path


def deb_of(path: Path, data: bytes) -> Path:
    """Write the ar archive a Debian package is."""
    parts = {"debian-binary": b"2.0\n", "control.tar.gz": b"odd", "data.tar.xz": data}
    with path.open("wb") as stream:
        stream.write(b"!<arch>\n")
        for name, content in parts.items():
            stream.write(f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode())
            stream.write(content + b"\n" * (len(content) % 2))
    return path


def unpacked(archive: Path) -> dict[str, bytes]:
    target = archive.parent / "unpacked"
    target.mkdir()
    archives.unpack(archive, target)
    files = (path for path in target.rglob("*") if path.is_file())
    return {path.relative_to(target).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz", "w:bz2"])
def test_tar_however_compressed(tmp_path: Path, mode: str) -> None:
    archive = tar_of(tmp_path / "a.tar", [("./top/a.txt", b"a"), ("b.txt", b"")], mode)
    assert unpacked(archive) == {"top/a.txt": b"a", "b.txt": b""}


def test_zip_and_wheel(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a-1-py3-none-any.whl", {"top/a.txt": b"a", "empty/": b""})
    assert unpacked(archive) == {"top/a.txt": b"a"}


def test_debian_package(tmp_path: Path) -> None:
    inner = tar_of(tmp_path / "data", [("./usr/share/a.txt", b"a")], "w:xz").read_bytes()
    assert unpacked(deb_of(tmp_path / "a.deb", inner)) == {"usr/share/a.txt": b"a"}


def test_the_format_is_read_off_the_content_not_the_name(tmp_path: Path) -> None:
    assert unpacked(zip_of(tmp_path / "a.tar.gz", {"a": b"1"})) == {"a": b"1"}


def test_links_inside_become_copies(tmp_path: Path) -> None:
    entries = [
        link("d/early", "../a.txt"),
        ("a.txt", b"a"),
        link("d/hard", "a.txt", tarfile.LNKTYPE),
    ]
    archive = tar_of(tmp_path / "a.tar", entries)
    assert unpacked(archive) == {"a.txt": b"a", "d/early": b"a", "d/hard": b"a"}
    assert not any(path.is_symlink() for path in (tmp_path / "unpacked").rglob("*"))


@pytest.mark.parametrize("name", ["../out.txt", "/out.txt", "a/../../out.txt", "a/../b.txt"])
def test_names_that_lead_out(tmp_path: Path, name: str) -> None:
    for archive in (tar_of(tmp_path / "a.tar", [(name, b"x")]), zip_of(tmp_path / "a.zip", {name: b"x"})):
        with pytest.raises(SourceError, match=f"{archive.name}: .* leads out of the archive; refused"):
            archives.unpack(archive, tmp_path / "target")
    assert not list(tmp_path.rglob("out.txt"))


@pytest.mark.parametrize("target", ["/etc/hostname", "../../etc/hostname"])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_that_lead_out(tmp_path: Path, target: str, kind: bytes) -> None:
    archive = tar_of(tmp_path / "a.tar", [link("a/b", target, kind)])
    with pytest.raises(SourceError, match="link a/b leads out of the archive"):
        unpacked(archive)


def test_zip_links_that_lead_out(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"b": b"/etc/hostname"}, stat.S_IFLNK | 0o777)
    with pytest.raises(SourceError, match="link b leads out of the archive"):
        unpacked(archive)


def test_no_file_goes_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    archive = tar_of(tmp_path / "a.tar", [link("d", str(outside)), ("d/x.txt", b"x")])
    with pytest.raises(SourceError, match="leads out"):
        unpacked(archive)
    assert not list(outside.iterdir())


def test_devices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="a device or a pipe"):
        unpacked(tar_of(tmp_path / "a.tar", [link("null", "", tarfile.CHRTYPE)]))


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "SMALL_BYTES", 1000)
    with pytest.raises(SourceError, match="a compression bomb"):
        unpacked(zip_of(tmp_path / "a.zip", {"zeros": bytes(5_000_000)}))


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "ENTRIES", 2)
    with pytest.raises(SourceError, match="holds more than 2 files"):
        unpacked(zip_of(tmp_path / "a.zip", {"a": b"", "b": b"", "c": b""}))


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"PK\x03\x04 broken", b"!<arch>\nbroken"])
def test_what_is_no_archive_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(content)
    with pytest.raises(SourceError, match=r"^a\.zip: ") as error:
        unpacked(archive)
    assert "\n" not in str(error.value)


def test_damaged_content_is_told(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "a.zip", {"a": b"some content, long enough to be damaged" * 9})
    content = bytearray(archive.read_bytes())
    content[40] ^= 255
    archive.write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.zip: cannot be unpacked"):
        unpacked(archive)


@pytest.mark.integration
@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs Debian's own tools to compare with")
def test_debian_package_of_a_real_set(tmp_path: Path, repository: Path, config) -> None:
    from tasks.sources import packages

    package = packages.fetch(config.datasets["mandarin-tones"].ingest.source, repository)
    archives.unpack(package, tmp_path / "ours")
    listed = subprocess.run(["dpkg-deb", "-c", package], capture_output=True, text=True, check=True).stdout
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == listed.count("\n-rw") + listed.startswith("-rw")
