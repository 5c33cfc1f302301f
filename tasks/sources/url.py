"""An archive or a table at an address, pinned by its sha256 and kept in .local/downloads."""

import http.client
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import unquote, urlsplit

from filelock import FileLock

from tasks.errors import SourceError, UnreachableError
from tasks.progress import track
from tasks.schema import FolderSource, UrlSource
from tasks.sources import Refused, Sample, archives, folder, table, tables
from tasks.workspace import sha256_of

SCHEMES = ("http", "https", "file")
TIMEOUT_SECONDS = 60
"""How long a server may stay silent."""
GONE = (400, 401, 403, 404, 405, 410, 451)
"""Answers that waiting does not change."""
CHUNK = 2**20
"""Bytes read at once, and the step of the progress bar."""


def licence(source: UrlSource) -> str:
    """Say what is fetched and its licence."""
    return f"{_file_name(source)}: {source.licence}"


def find(source: UrlSource, root: Path, scratch: Path) -> list[Sample | Refused]:
    """Fetch the file, unpack it if it is no table, and find the samples `inside` it."""
    fetched = _fetch(source, root / ".local" / "downloads")
    if PurePosixPath(_file_name(source)).suffix.lower() in tables.READERS:
        shutil.copyfile(fetched, scratch / _file_name(source))
    else:
        archives.unpack(fetched, scratch)
    inside = source.inside
    if not (scratch / inside.path).exists():
        there = ", ".join(sorted(path.name for path in scratch.iterdir())) or "nothing"
        raise SourceError(f"{_file_name(source)}: holds no {inside.path}; at its top: {there}")
    if isinstance(inside, FolderSource):
        return folder.find(inside, scratch, scratch)
    return table.find(inside, scratch, scratch)


def _fetch(source: UrlSource, downloads: Path) -> Path:
    """Return the verified file, downloaded once. SourceError if its sha256 is another: it stays unopened."""
    downloads.mkdir(parents=True, exist_ok=True)
    target = place(source, downloads)
    with FileLock(downloads / f".{source.sha256[:12]}.lock"):
        if not target.exists():
            fresh = target.with_name(f".{target.name}")
            try:
                _download(source.url, fresh)
                _verify(fresh, source, "the file at this address is not the one that was declared")
                fresh.replace(target)
            finally:
                fresh.unlink(missing_ok=True)
        _verify(target, source, f"delete .local/downloads/{target.name} to fetch it again")
    return target


def place(source: UrlSource, downloads: Path) -> Path:
    """Return where the file is kept once it is fetched."""
    return downloads / f"{source.sha256[:12]}-{_file_name(source)}"


def _verify(path: Path, source: UrlSource, advice: str) -> None:
    found = sha256_of(path)
    if found != source.sha256:
        raise SourceError(f"{source.url}: has sha256 {found}, declared is {source.sha256}; not opened, {advice}")


def _download(url: str, target: Path) -> None:
    if urlsplit(url).scheme not in SCHEMES:
        raise SourceError(f"{url}: is no address of {', '.join(SCHEMES)}")
    try:
        # The scheme is one of those above, and what arrives is opened only if its sha256 is the declared one.
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer, target.open("wb") as copy:  # noqa: S310
            steps = int(answer.headers.get("Content-Length", 0)) // CHUNK + 1
            for chunk in track(_chunks(answer), f"fetching {PurePosixPath(url).name}", steps):
                copy.write(chunk)
            _whole(copy.tell(), answer.headers.get("Content-Length"))
    except urllib.error.HTTPError as error:
        kind = SourceError if error.code in GONE else UnreachableError
        mend = "mend ingest.source.url" if error.code in GONE else "try again later"
        raise kind(f"{url}: the server answers {error.code} {error.reason}; {mend}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, OSError) and error.errno in archives.NO_ROOM:
            raise
        raise UnreachableError(f"{url}: cannot be fetched ({error}); try again, or mend ingest.source.url") from None


def _whole(received: int, announced: str | None) -> None:
    """Raise OSError where a connection ended before all that was announced had come."""
    if announced is not None and received != int(announced):
        raise OSError(f"it ended after {received:,} of {int(announced):,} bytes")


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


def _file_name(source: UrlSource) -> str:
    return PurePosixPath(unquote(urlsplit(source.url).path)).name or "download"
