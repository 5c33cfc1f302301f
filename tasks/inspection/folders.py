"""How a folder lies: a folder per class, a table beside files, or files whose names or folders carry the label."""

from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tasks.errors import SourceError
from tasks.inspection import patterns, tabular
from tasks.inspection.request import THINGS, Layout, Request
from tasks.schema import FolderSource, NamesSource
from tasks.sources import folder, names, tables
from tasks.sources.names import SPLIT_NAMES
from tasks.sources.splits import SPLITS

CLASS_FOLDERS = "{label}/**"


class Listing(NamedTuple):
    """The files below a folder: `files` of the modality and other ones, by their paths below it."""

    place: Path
    modality: str
    files: list[str]
    others: Counter[str]
    """How many other files there are of each suffix."""


def layout(request: Request, place: Path) -> Layout:
    """Return how the folder is read; SourceError where it is empty, or no label is found."""
    everything = [path.relative_to(place).as_posix() for path in folder.walk(place)]
    if not everything:
        raise SourceError(f"{request.address}: is empty; expected pictures, recordings, texts or a table")
    try:
        by_table, fault = _by_table(request, place, everything), None
    except SourceError as error:
        by_table, fault = None, error
    if by_table is not None:
        return by_table
    if fault is not None and not any(tabular.modality_of(name) for name in everything):
        raise fault
    listing = descended(listed(request, place, everything))
    said = [] if listing.place == place else [f"all of them lie in {listing.place.relative_to(place).as_posix()}"]
    found = pattern(request, listing)
    if found is None:
        raise fault or SourceError(no_labels(request, listing))
    return _layout(request, listing, found[0], [*said, *found[1]])


def _by_table(request: Request, place: Path, everything: list[str]) -> Layout | None:
    """Read the folder by a table at its top, if one names its files, or by its only table where it holds no files."""
    found = [name for name in everything if "/" not in name and PurePosixPath(name).suffix.lower() in tables.READERS]
    homes = [place, *sorted({place / name.split("/")[0] for name in everything if "/" in name})]
    for name in found:
        for home in homes:
            layout = tabular.beside(request, place / name, home)
            if layout is not None:
                return layout
    if any(tabular.modality_of(name) for name in everything) or not found:
        return None
    if len(found) > 1:
        raise SourceError(f"{request.address}: holds several tables; name one of them: {', '.join(found[:6])}")
    return tabular.layout(request, place / found[0])


def listed(request: Request, place: Path, everything: list[str]) -> Listing:
    """Sort the files by what they are; the modality is that of most of them, unless the request names one."""
    kinds = Counter(kind for name in everything if (kind := tabular.modality_of(name)) is not None)
    modality = request.modality or next(iter(kind for kind, _ in kinds.most_common()), None)
    files = [name for name in everything if modality and tabular.modality_of(name) == modality]
    others = Counter(_suffix(name) for name in everything if not modality or tabular.modality_of(name) != modality)
    if modality is None or not files:
        held = ", ".join(f"{count:,} {suffix}" for suffix, count in others.most_common(5))
        wanted = THINGS.get(modality or "", "pictures, recordings, texts or tables")
        raise SourceError(f"{request.address}: holds no {wanted}, but {held}")
    return Listing(place, modality, files, others)


def descended(listing: Listing) -> Listing:
    """Go down while all files lie in one folder."""
    while len(tops := {name.split("/")[0] for name in listing.files}) == 1 and "/" in listing.files[0]:
        top = tops.pop()
        inside = [name.removeprefix(f"{top}/") for name in listing.files]
        listing = listing._replace(place=listing.place / top, files=inside)
    return listing


def pattern(request: Request, listing: Listing) -> tuple[str, list[str]] | None:
    """Return the pattern by which paths tell their label, and what to say of it."""
    for option, given in (("--group", request.group), ("--content", request.content)):
        if given is not None:
            mend = "it names a column of a table, and this is read without one; see --label for patterns"
            raise SourceError(f"{option} {given}: {mend}")
    if request.label is not None:
        if "{label}" not in request.label:
            mend = "for a folder it is a pattern such as '{label}_{group}_*'"
            raise SourceError(f"--label {request.label}: {request.address} is read without a table; {mend}")
        return request.label, []
    deep = [name.split("/") for name in listing.files if "/" in name]
    if not deep:
        return _of_names(listing)
    tops = {steps[0].lower() for steps in deep}
    if len(tops) > 1 and tops <= {*SPLITS, *SPLIT_NAMES}:
        return _of_splits(tops, deep)
    if len({steps[0] for steps in deep}) < 2 or len(deep) < len(listing.files) / 2:
        return None
    inner = Counter(tuple(steps[:2]) for steps in deep if len(steps) > 2)
    if sum(inner.values()) == len(deep) and len(inner) > len(tops) and max(inner.values()) > 1:
        return "{label}/{group}/**", ["the folders in the class folders are taken as groups: each stays in one split"]
    return CLASS_FOLDERS, []


def _of_splits(tops: set[str], deep: list[list[str]]) -> tuple[str, list[str]] | None:
    """Return the pattern of folders of splits that hold folders of classes."""
    if any(len(steps) < 3 for steps in deep):
        return None
    if {SPLIT_NAMES.get(top, top) for top in tops} == set(SPLITS):
        return "{split}/{label}/**", [f"the split is that of the folders {', '.join(sorted(tops))}"]
    missing = f"the folders {', '.join(sorted(tops))} are no whole split (a validation and a test part are needed)"
    return "*/{label}/**", [f"{missing}: all is split anew"]


def _of_names(listing: Listing) -> tuple[str, list[str]] | None:
    found = patterns.pattern(listing.files)
    if found is None:
        return None
    first = names.compiled(found).fullmatch(listing.files[0])
    held = first.groupdict() if first else {}
    shown = ", ".join(f"{role} {value}" for role, value in held.items())
    said = [f"the label stands in the file names: {found} reads {listing.files[0]} as {shown}"]
    if "{group}" in found:
        other = found.replace("{label}", "{}").replace("{group}", "{label}").replace("{}", "{group}")
        said.append(f"if it is the other way round: --label '{other}'")
    return found, said


def _layout(request: Request, listing: Listing, found: str, said: list[str]) -> Layout:
    """Read the folder by the pattern; plain class folders are the source that is known best."""
    path = request.written(listing.place)
    source: dict[str, Any] = {"kind": "names", "path": path, "pattern": found}
    if found == CLASS_FOLDERS:
        source = {"kind": "folder", "path": path, "table": None, "columns": None}
        rows = folder.find(FolderSource(**source), request.root, request.root)
    else:
        rows = names.find(NamesSource(**source), request.root, request.root)
    split = "{split}" in found
    return Layout(listing.modality, source, rows, said, dict(listing.others), split, {}, whole=True)


def no_labels(request: Request, listing: Listing) -> str:
    """Say that samples are there and labels are not, and what would be a label."""
    what = f"{request.address}: {len(listing.files):,} {THINGS[listing.modality]}, but nothing says their labels"
    boxes = listing.others.get(".xml", 0)
    seen = f" ({boxes:,} .xml beside them look like boxes of objects, which are not learnt here)" if boxes else ""
    mend = "sort them into a folder per class, or put a table labels.csv beside them with the columns file and label"
    return f"{what}{seen}; {mend}"


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower() or "without a suffix"
