"""A folder whose files carry their label, group or split in their names or in the names of their folders."""

import re
from collections.abc import Iterator
from pathlib import Path

from tasks.errors import SourceError
from tasks.schema import NamesSource
from tasks.sources import Refused, Sample, files, folder

PARTS = {
    "{label}": "(?P<label>[^/]+)",
    "{group}": "(?P<group>[^/]+)",
    "{split}": "(?P<split>[^/]+)",
    "**": ".*",
    "*": "[^/]*",
}
"""What stands for what in a pattern: each name is as long as it can be."""
SPLIT_NAMES = {"training": "train", "val": "validation", "valid": "validation", "dev": "validation", "testing": "test"}
"""What people call a split's folder besides train, validation and test."""


def licence(source: NamesSource) -> None:
    """Nothing is fetched."""


def find(source: NamesSource, root: Path, scratch: Path) -> list[Sample | Refused]:
    """Find the files below the folder; what does not match the pattern is refused. Hidden files are ignored."""
    place = root / source.path
    if not place.is_dir():
        raise SourceError(f"{source.path}: there is no such folder")
    found = list(samples(place, source.pattern))
    if not any(isinstance(sample, Sample) for sample in found):
        first = f"; the first of {len(found):,} files is {found[0].name}" if found else ", which is empty"
        raise SourceError(f"{source.path}: no file matches the pattern {source.pattern}{first}")
    return found


def samples(place: Path, pattern: str) -> Iterator[Sample | Refused]:
    """Yield each file below `place` with what the pattern finds in its path."""
    wanted = compiled(pattern)
    for path in folder.walk(place):
        name = path.relative_to(place).as_posix()
        match = wanted.fullmatch(name)
        if match is None:
            yield Refused(name, f"does not match the pattern {pattern}", "rename it, or change ingest.source.pattern")
            continue
        held = match.groupdict(default="")
        split = held.get("split", "").lower()
        yield files.sample(
            place, name, held["label"], held.get("group", ""), SPLIT_NAMES.get(split, split), confidence=""
        )


def compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern as a regular expression of paths below the folder; SourceError where a part stands twice."""
    twice = [part for part in ("{label}", "{group}", "{split}") if pattern.count(part) > 1]
    if twice:
        raise SourceError(f"pattern {pattern}: {twice[0]} stands there twice; write * for one of them")
    parts = re.split("({label}|{group}|{split}|[*]{1,2})", pattern)
    return re.compile("".join(PARTS.get(part, re.escape(part)) for part in parts))
