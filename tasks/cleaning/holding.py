"""One kind of thing that takes up space, what of it can go, and what keeps the rest."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tasks import removal
from tasks.errors import BusyError
from tasks.schema import Config, LocalSource
from tasks.workspace import Workspace

FEW = 3
"""So many are named; of more the number is told."""


class Holding(NamedTuple):
    """What it is and where (a path as it is shown), its files, how many bytes of it can go, why, and how it goes."""

    what: str
    where: str
    paths: list[Path]
    spare: int
    why: str
    release: Callable[[], None]


class Spare(NamedTuple):
    """A file or folder that nothing needs: its name in a sentence, why, and whose it is (null: no one data set's)."""

    path: Path
    name: str
    why: str
    dataset: str | None


@dataclass(frozen=True)
class Project:
    """A project's folder, its parameters, and the data sets that other processes work on."""

    root: Path
    params: Config
    busy: frozenset[str]

    @property
    def local(self) -> Path:
        """What belongs to this machine only."""
        return self.root / ".local"

    @property
    def anyone(self) -> str | None:
        """Return who works here, in a sentence: what is shared stays while somebody does; null for nobody."""
        return f"kept while {', '.join(sorted(self.busy))} is worked on" if self.busy else None

    def free(self, spare: Spare) -> bool:
        """Tell whether it may go now: nobody works on it, and no source lies there that params.yaml names."""
        worked_on = spare.dataset in self.busy if spare.dataset else bool(self.busy)
        return not worked_on and not any(removal.holds(spare.path, source) for source in self._sources())

    def _sources(self) -> Iterator[Path]:
        """Yield the folders and files that are the user's own."""
        for dataset in self.params.datasets.values():
            yield self.root / dataset.ingest.source.path
        for backbone in self.params.backbones.values():
            if isinstance(backbone.source, LocalSource):
                yield self.root / backbone.source.path


def holding(project: Project, what: str, paths: Iterable[Path], spares: Sequence[Spare], otherwise: str) -> Holding:
    """Put together `paths` (the first is shown) and what of them can go; `otherwise` is said where nothing can."""
    places = list(paths)
    gone = [spare for spare in spares if project.free(spare)]
    kept = project.anyone if len(gone) < len(spares) else None
    why = "; ".join([*reasons(gone), *([kept] if kept else [])]) or otherwise
    where = places[0].relative_to(project.root).as_posix()
    freed = [spare.path for spare in gone]
    return Holding(what, where, places, removal.weight(freed), why, partial(delete, freed))


def reasons(spares: Iterable[Spare]) -> list[str]:
    """Return each reason once, with the names it goes for."""
    named: dict[str, list[str]] = defaultdict(list)
    for spare in spares:
        if spare.name not in named[spare.why]:
            named[spare.why].append(spare.name)
    return [f"{why}: {listed(names)}" for why, names in named.items()]


def listed(names: Sequence[str]) -> str:
    """Return a few names and how many more there are."""
    more = len(names) - FEW
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:FEW])} and {more} more"


def delete(paths: Iterable[Path]) -> None:
    """Remove files and folders; of links the link."""
    for path in paths:
        removal.delete(path)


def children(folder: Path) -> list[Path]:
    """Return what lies in a folder; nothing where it is a link: what it leads to is others' too."""
    return sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []


@contextmanager
def held(root: Path, names: Iterable[str]) -> Iterator[frozenset[str]]:
    """Hold each of these data sets that nobody works on; yield the others."""
    busy = set()
    with ExitStack() as stack:
        for name in names:
            try:
                stack.enter_context(Workspace(root, name).locked("transfer clean"))
            except BusyError:
                busy.add(name)
        yield frozenset(busy)
