"""Unpacks zip (wheels too), tar and Debian archives from strangers: nothing is written outside the target."""

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from tasks.errors import SourceError

ENTRIES, BYTES = 1_000_000, 256 * 2**30
"""More files exhaust a file system, more bytes fill a disk; sets to fine-tune on one machine hold fewer."""
SMALL_BYTES = 2**30
"""Below 1 GiB an archive may expand as it likes: it can do no harm."""
EXPANSION = 200
"""Text compresses to a tenth or a twentieth, silence and blank pictures further; bombs to a thousandth."""
FORMAT_ERRORS = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
DAMAGE = (*FORMAT_ERRORS, EOFError, RuntimeError, OSError, ValueError)
"""What the standard library raises for broken or encrypted archives and for impossible file names."""


class Member(NamedTuple):
    """A file of an archive, or (content None) a link and where it points."""

    name: str
    size: int
    content: IO[bytes] | None
    link: str


@dataclass
class Allowance:
    """How much an archive may still unpack to."""

    entries: int
    size: int

    def take(self, name: str, size: int) -> None:
        """Use up one entry and its bytes; SourceError if there is not enough left."""
        self.entries -= 1
        self.size -= size
        if self.entries < 0:
            raise SourceError(f"holds more than {ENTRIES:,} files")
        if self.size < 0:
            raise SourceError(f"unpacks to far more than its size by {name}: a compression bomb")


def unpack(archive: Path, target: Path) -> None:
    """Unpack the regular files of `archive` into the folder `target`; its first bytes tell the format.

    Links become copies of the file they point to. Raises SourceError for absolute names, "..", links that
    lead out, devices, bombs and damage; what was unpacked until then stays in `target`.
    """
    allowance = Allowance(ENTRIES, min(BYTES, max(SMALL_BYTES, EXPANSION * archive.stat().st_size)))
    try:
        with archive.open("rb") as stream:
            links = [link for member in _members(stream) if (link := _write(member, target, allowance))]
            for link in links:
                _copy(link, target, allowance)
    except SourceError as error:
        raise SourceError(f"{archive.name}: {error}; refused") from None
    except DAMAGE as error:
        raise SourceError(f"{archive.name}: cannot be unpacked: {' '.join(str(error).split())}") from None


def _members(stream: IO[bytes]) -> Iterator[Member]:
    """Yield the files in the order they stand; each content must be read before the next is asked for."""
    magic = stream.read(8)
    stream.seek(0)
    if magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_members(stream)
    if magic == b"!<arch>\n":
        _seek_debian_data(stream)
    return _tar_members(stream)


def _zip_members(stream: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(stream) as archive:
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            with archive.open(entry) as content:
                # The upper half holds Unix permissions; the content of a symbolic link is its target.
                link = content.read(4096).decode() if stat.S_ISLNK(entry.external_attr >> 16) else ""
                yield Member(entry.filename, entry.file_size, None if link else content, link)


def _tar_members(stream: IO[bytes]) -> Iterator[Member]:
    # As a stream: read once, from front to back, however it is compressed.
    with tarfile.open(fileobj=stream, mode="r|*") as archive:
        for entry in archive:
            if entry.issym() or entry.islnk():
                # A hard link names its file from the top of the archive, a symbolic one from its own folder.
                up = "../" * (len(PurePosixPath(entry.name).parts) - 1) if entry.islnk() else ""
                yield Member(entry.name, 0, None, str(PurePosixPath(up, entry.linkname)))
            elif entry.isfile():
                yield Member(entry.name, entry.size, archive.extractfile(entry), "")
            elif not entry.isdir():
                raise SourceError(f"{entry.name} is a device or a pipe")


def _seek_debian_data(stream: IO[bytes]) -> None:
    """Go to the data.tar of an ar archive (deb(5)): 60-byte headers, members padded to an even size."""
    stream.seek(8)
    while len(header := stream.read(60)) == 60:
        name, size = header[:16].decode("ascii").strip(), int(header[48:58])
        if name.startswith("data.tar"):
            return
        stream.seek(max(size + size % 2, 0), 1)
    raise SourceError("is no Debian package: no data.tar in it")


def _write(member: Member, target: Path, allowance: Allowance) -> Member | None:
    """Write a file below `target`; a link is handed back, to be copied once all files are there."""
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts:
        raise SourceError(f"{member.name} leads out of the archive")
    allowance.take(member.name, member.size)
    if member.content is None:
        return member
    place = target / name
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as copy:
        shutil.copyfileobj(member.content, copy, 2**20)
    return None


def _copy(member: Member, target: Path, allowance: Allowance) -> None:
    """Write a link as a copy: no link ever stands in `target`, so none can lead a file astray."""
    original, place = target / _resolved(member), target / member.name
    if not original.is_file():
        raise SourceError(f"the link {member.name} points to {member.link}, which is no file of the archive")
    allowance.take(member.name, original.stat().st_size)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(original, place)


def _resolved(member: Member) -> PurePosixPath:
    """Return where a link points, as a path from the archive's top."""
    steps = list(PurePosixPath(member.name).parent.parts)
    for step in PurePosixPath(member.link).parts:
        if step == "/" or (step == ".." and not steps):
            raise SourceError(f"the link {member.name} leads out of the archive, to {member.link}")
        steps = steps[:-1] if step == ".." else [*steps, step]
    return PurePosixPath(*steps)
