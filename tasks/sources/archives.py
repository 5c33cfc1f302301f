"""Unpacks zip (wheels too), tar and Debian archives from strangers: nothing is written outside the target."""

import errno
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from tasks.errors import SourceError
from tasks.signatures import GZIP
from tasks.sources import contents, streams

ENTRIES, BYTES = 1_000_000, 256 * 2**30
"""More files exhaust a file system, more bytes fill a disk; sets to fine-tune on one machine hold fewer."""
SMALL_BYTES = 2**30
"""Below 1 GiB an archive may expand as it likes: it can do no harm."""
EXPANSION = 200
"""Text compresses to a tenth or a twentieth, silence and blank pictures further; bombs to a thousandth."""
HEADER = 2**20
"""Bytes of a name in a tar: its reader takes it whole into memory, however long it says it is."""
CHUNK = 2**20
ENCRYPTED = 1
"""The flag of an encrypted entry of a zip."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
"""Errors of the place that is unpacked to, not of the archive."""
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
    if told := contents.misnamed(archive, contents.ZIP, GZIP):
        raise SourceError(f"{archive.name}: {told}")
    allowance = Allowance(ENTRIES, min(BYTES, max(SMALL_BYTES, EXPANSION * archive.stat().st_size)))
    try:
        with archive.open("rb") as stream:
            links = [link for member in _members(stream, allowance) if (link := _write(member, target, allowance))]
            for link in links:
                _copy(link, target, allowance)
    except SourceError as error:
        raise SourceError(f"{archive.name}: {error}; refused") from None
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise
        raise SourceError(f"{archive.name}: cannot be unpacked: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {Path(str(error.filename or '')).name[:40]}"
    return " ".join(str(error).split())


class _Entry(tarfile.TarInfo):
    """An entry of a tar whose own names are of bearable length."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Entry":
        entry = super().frombuf(buf, encoding, errors)
        if entry.size > HEADER and entry.type not in (*tarfile.REGULAR_TYPES, tarfile.GNUTYPE_SPARSE):
            raise SourceError(f"{entry.name[:40]} has a header of {entry.size:,} bytes: a compression bomb")
        return entry


def _members(stream: IO[bytes], allowance: Allowance) -> Iterator[Member]:
    """Yield the files in the order they stand; each content must be read before the next is asked for."""
    magic = stream.read(8)
    stream.seek(0)
    if magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_members(stream, allowance)
    inner: Any = _debian_data(stream) if magic == b"!<arch>\n" else stream
    return _tar_members(inner, allowance)


def _zip_members(stream: IO[bytes], allowance: Allowance) -> Iterator[Member]:
    with zipfile.ZipFile(stream) as archive:
        for entry in archive.infolist():
            if entry.is_dir():
                allowance.take(entry.filename, 0)
                continue
            if entry.flag_bits & ENCRYPTED:
                raise SourceError(f"{entry.filename} is encrypted; unpack it yourself and name the folder")
            if "\\" in entry.filename:
                raise SourceError(f"{entry.filename} has a backslash where folders are cut by /; pack it again")
            with archive.open(entry) as content:
                # The upper half holds Unix permissions; the content of a symbolic link is its target.
                link = content.read(4096).decode() if stat.S_ISLNK(entry.external_attr >> 16) else ""
                yield Member(entry.filename, entry.file_size, None if link else content, link)


def _tar_members(stream: IO[bytes], allowance: Allowance) -> Iterator[Member]:
    # As a stream: read once, from front to back, however it is compressed.
    whole: Any = streams.Whole(streams.decompressed(stream), SMALL_BYTES)
    with tarfile.open(fileobj=whole, mode="r|", tarinfo=_Entry) as archive:
        for entry in archive:
            if entry.issym() or entry.islnk():
                # A hard link names its file from the top of the archive, a symbolic one from its own folder.
                up = "../" * (len(PurePosixPath(entry.name).parts) - 1) if entry.islnk() else ""
                yield Member(entry.name, 0, None, str(PurePosixPath(up, entry.linkname)))
            elif entry.isfile():
                yield Member(entry.name, entry.size, archive.extractfile(entry), "")
            elif entry.isdir():
                allowance.take(entry.name, 0)
            else:
                raise SourceError(f"{entry.name} is a device or a pipe")
    whole.end()


def _debian_data(stream: IO[bytes]) -> streams.Part:
    """Return the data.tar of an ar archive (deb(5)): 60-byte headers, members padded to an even size."""
    stream.seek(8)
    while len(header := stream.read(60)) == 60:
        name, size = header[:16].decode("ascii").strip(), int(header[48:58])
        if name.startswith("data.tar"):
            return streams.Part(stream, size)
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
    _free(member.name, place)
    with place.open("xb") as copy:
        shutil.copyfileobj(member.content, copy, CHUNK)
    return None


def _free(name: str, place: Path) -> None:
    """Make the folders above `place`; SourceError if something stands there already: it would be lost in silence."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        raise SourceError(f"{name} stands in it twice; pack it again")


def _copy(member: Member, target: Path, allowance: Allowance) -> None:
    """Write a link as a copy: no link ever stands in `target`, so none can lead a file astray."""
    original, place = target / _resolved(member), target / member.name
    if not original.is_file():
        raise SourceError(f"the link {member.name} points to {member.link}, which is no file of the archive")
    allowance.take(member.name, original.stat().st_size)
    _free(member.name, place)
    shutil.copyfile(original, place)


def _resolved(member: Member) -> PurePosixPath:
    """Return where a link points, as a path from the archive's top."""
    steps = list(PurePosixPath(member.name).parent.parts)
    for step in PurePosixPath(member.link).parts:
        if step == "/" or (step == ".." and not steps):
            raise SourceError(f"the link {member.name} leads out of the archive, to {member.link}")
        steps = steps[:-1] if step == ".." else [*steps, step]
    return PurePosixPath(*steps)
