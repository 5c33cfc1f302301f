"""Where raw data comes from: each source finds its samples, each with a name, its content and its label."""

from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

SOURCES = {
    "folder": "tasks.sources.folder",
    "names": "tasks.sources.names",
    "table": "tasks.sources.table",
    "url": "tasks.sources.url",
    "package": "tasks.sources.package",
}


class Sample(NamedTuple):
    """One row in: a file, whose name is its path below the source, or a text; an empty string is no value.

    `confidence` says, in (0, 1], how sure the annotators were that the label is right; empty: sure.
    """

    name: str
    content: Path | str
    label: str
    group: str
    split: str
    confidence: str


class Refused(NamedTuple):
    """One row in that is unusable, by the name the user knows it by, and why."""

    name: str
    reason: str


class Source(Protocol):
    """Each entry of SOURCES is a module with these functions; `source` is its section of params.yaml."""

    def licence(self, source: Any) -> str | None:
        """Say what is fetched and under which licence ("NAME: LICENCE"); None where nothing is fetched."""

    def find(self, source: Any, root: Path, scratch: Path) -> list[Sample | Refused]:
        """Find every sample, in a fixed order; archives are unpacked below the empty folder `scratch`.

        Paths of the section are relative to `root`. SourceError if the source is missing, empty or altered.
        """


def source(kind: str) -> Source:
    """Return the source declared as `kind`."""
    return cast(Source, import_module(SOURCES[kind]))
