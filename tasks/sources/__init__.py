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
    "sql": "tasks.sources.sql",
    "remote": "tasks.sources.remote",
}
WATCHED = ("sql", "remote")
"""Sources that lie where DVC cannot look: they are asked whether they changed, and note it where DVC sees it."""


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
    """One row in that is unusable, by the name the user knows it by, why, and what to do."""

    name: str
    reason: str
    mend: str


class Source(Protocol):
    """Each entry of SOURCES is a module with these functions; `source` is its section of params.yaml."""

    def licence(self, source: Any) -> str | None:
        """Say what is fetched and under which licence ("NAME: LICENCE"); None where nothing is fetched."""

    def find(self, source: Any, root: Path, scratch: Path) -> list[Sample | Refused]:
        """Find every sample, in a fixed order; archives are unpacked below the empty folder `scratch`.

        Paths of the section are relative to `root`. SourceError if the source is missing, empty or altered.
        """


class Watched(Source, Protocol):
    """Each of WATCHED has one function more."""

    def look(self, source: Any, root: Path) -> None:
        """Note in the source's folder what it holds now, if that is not what stands there; `find` does the same.

        SourceError as from `find`; UnreachableError where it may pass.
        """


def source(kind: str) -> Source:
    """Return the source declared as `kind`."""
    return cast(Source, import_module(SOURCES[kind]))


def watched(kind: str) -> Watched | None:
    """Return the source declared as `kind` if it must be looked at; None where DVC sees its changes."""
    return cast(Watched, import_module(SOURCES[kind])) if kind in WATCHED else None
