"""Lists the files of a store that fsspec knows, and says in one line why it cannot."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tasks.errors import SourceError, UnreachableError

VERSIONS = ("ETag", "etag", "md5Hash", "generation", "mtime", "LastModified", "last_modified", "modified", "updated")
"""What stores call that which changes with a file's content, the surest first."""


class Entry(NamedTuple):
    """A file of a store: its path below the address, its bytes, and what changes when its content does."""

    name: str
    size: int
    version: str


class Listing(NamedTuple):
    """What lies at an address: the store, a file system of fsspec, and where in it each file is, by name."""

    address: str
    store: Any
    places: dict[Entry, str]


def listing(address: str) -> Listing:
    """List all files below an address, or the one that it names.

    SourceError if there is none, or no right to see them; UnreachableError if the store does not answer.
    """
    import fsspec

    if urlsplit(address).password is not None:
        advice = "give it to fsspec in the environment, for params.yaml is no place for it"
        raise SourceError(f"ingest.source.address: holds a password; {advice}")
    with told(address):
        # Asked anew, with the credentials of now: fsspec keeps both its file systems and what they listed.
        store, path = fsspec.url_to_fs(address, skip_instance_cache=True)
        found = store.find(path, detail=True)
    top = str(PurePosixPath(path).parent) if set(found) == {path} else path.rstrip("/")
    places = dict(sorted(_entries(address, found, top)))
    if not places:
        raise SourceError(f"{address}: there is no file; mend ingest.source.address")
    return Listing(address, store, places)


def _entries(address: str, found: dict[str, dict[str, Any]], top: str) -> Iterator[tuple[Entry, str]]:
    for place, facts in found.items():
        name = place.removeprefix(top).removeprefix("/")
        if facts["type"] == "directory" or not name or name.endswith("/"):
            continue  # a folder, or the empty object by which a store's own pages mark one
        version = next((str(facts[key]) for key in VERSIONS if facts.get(key)), None)
        if version is None or facts.get("size") is None:
            advice = "fetch it as an archive with kind: url, or copy it and use kind: folder"
            raise SourceError(f"{address}: this store does not tell when a file changes; {advice}")
        yield Entry(name, int(facts["size"]), version), place


@contextmanager
def told(what: str) -> Iterator[None]:
    """Turn what a store's client raises into one line about `what`; each client has errors of its own."""
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(f"{what}: there is no such bucket, folder or file ({_said(error)})") from None
    except PermissionError as error:
        raise SourceError(
            f"{what}: access is denied ({_said(error)}); check the credentials in the environment"
        ) from None
    except ImportError as error:
        raise SourceError(f"{what}: the client of this store is not installed ({_said(error)})") from None
    except ValueError as error:
        raise SourceError(f"{what}: is no address that fsspec knows ({_said(error)})") from None
    except Exception as error:
        if "credentials" in str(error).lower():
            advice = "set them in the environment (S3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
            raise SourceError(f"{what}: there are no credentials ({_said(error)}); {advice}") from None
        raise UnreachableError(f"{what}: the store cannot be reached ({_said(error)}); try again") from None


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
