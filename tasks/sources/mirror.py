"""A copy of a store's files on this machine, in which only what is new or changed is fetched."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from filelock import FileLock

from tasks.errors import UnreachableError
from tasks.progress import track
from tasks.sources.stores import Entry, Listing, told

AT_ONCE = 8
"""Files fetched at once: small ones wait for the network, not for its width."""


def update(folder: Path, listing: Listing) -> Path:
    """Make `folder`/files hold what is listed and nothing else, and return it.

    `folder`/fetched.jsonl tells of each file which version it is. Killed anywhere, the next call fetches the rest.
    """
    files, journal = folder / "files", folder / "fetched.jsonl"
    files.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        _tidy(files, {entry.name for entry in listing.places})
        known = _fetched(journal)
        missing = [entry for entry in listing.places if entry not in known or not _is_there(files, entry)]
        _fetch_all(missing, listing, folder, journal)
        beside = journal.with_suffix(".new")
        beside.write_text("".join(_line(entry) for entry in listing.places), encoding="utf-8")
        beside.replace(journal)
    return files


def _fetch_all(missing: list[Entry], listing: Listing, folder: Path, journal: Path) -> None:
    shutil.rmtree(folder / "parts", ignore_errors=True)
    (folder / "parts").mkdir()
    with ThreadPoolExecutor(AT_ONCE) as pool, journal.open("a", encoding="utf-8") as lines:
        arriving = pool.map(partial(_fetch, listing, folder), missing, range(len(missing)))
        try:
            for entry in track(arriving, f"fetching {listing.address}", len(missing)):
                # Line by line: what arrived before an accident is not fetched again.
                lines.write(_line(entry))
                lines.flush()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch(listing: Listing, folder: Path, entry: Entry, number: int) -> Entry:
    part, target = folder / "parts" / str(number), folder / "files" / entry.name
    with told(f"{listing.address}: {entry.name}"):
        listing.store.get_file(listing.places[entry], str(part))
    if part.stat().st_size != entry.size:
        raise UnreachableError(f"{listing.address}: {entry.name} changed while it was fetched; run again")
    target.parent.mkdir(parents=True, exist_ok=True)
    part.replace(target)
    return entry


def _fetched(journal: Path) -> set[Entry]:
    """Return what the journal tells, of each name the last line; one cut short by an accident tells nothing."""
    known: dict[str, Entry] = {}
    for line in journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []:
        try:
            entry = Entry(*json.loads(line))
        except (ValueError, TypeError):
            continue
        known[entry.name] = entry
    return set(known.values())


def _line(entry: Entry) -> str:
    return json.dumps(entry) + "\n"


def _is_there(files: Path, entry: Entry) -> bool:
    path = files / entry.name
    return path.is_file() and path.stat().st_size == entry.size


def _tidy(files: Path, names: set[str]) -> None:
    """Remove the files that are listed no longer, and the folders that they leave empty."""
    for path in sorted(files.rglob("*"), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(files).as_posix() not in names:
            path.unlink()
