"""All that takes up space in a project, each kind with what of it can go; nothing is changed by looking."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tasks import config, dvc_store, removal
from tasks.cleaning import places
from tasks.cleaning.holding import Holding, Project, Spare, children, delete, holding
from tasks.records import retirement
from tasks.records.retirement import Registered
from tasks.store import FILE, Store

GIBIBYTE = 2**30


def data_sets(root: Path) -> list[str]:
    """Return every data set there is or was, as far as folders tell."""
    local = root / ".local"
    there = [root / "data", *(local / kind for kind in ("checkpoints", "rank", "runs", "measurements"))]
    found = {path.name for folder in there for path in children(folder) if path.is_dir()}
    # A name with a point in it is the lock of a part of what is known of a data set.
    locks = {lock.stem for lock in (local / "locks").glob("*.lock") if "." not in lock.stem}
    return sorted(found | locks | set(config.load(root).datasets))


def survey(root: Path, busy: frozenset[str], store: float | None) -> list[Holding]:
    """Return the kinds of things that take up space, the largest first; `store`: GiB the store may keep (null: all)."""
    project = Project(root, config.load(root), busy)
    keep = {name: dataset.register_.keep for name, dataset in project.params.datasets.items()}
    known = retirement.registered(root, keep)
    found = [kind(project) for kind in places.KINDS]
    found += [places.backbones(project, known.backbones), _models(project, known), _copies(project, known)]
    found += [_store(project, store), *_cache(project, known)]
    return sorted((one for one in found if removal.weight(one.paths)), key=lambda one: -removal.weight(one.paths))


def _models(project: Project, known: Registered) -> Holding:
    """The registered versions' files and what else their runs left in MLflow's store of artifacts."""
    home = project.local / "artifacts"
    spares = [
        Spare(old.folder, f"{old.name} {old.number}", "versions neither champion nor challenger", old.name)
        for old in known.old
    ]
    found = holding(
        project, "registered models", [home], spares, "champions, challengers and as many more as register.keep says"
    )
    going = [old for old, spare in zip(known.old, spares, strict=True) if project.free(spare)]
    return found._replace(release=partial(_retire, project.root, found.release, going))


def _retire(root: Path, release: Callable[[], None], old: list[retirement.Old]) -> None:
    release()
    if old:
        retirement.retire(root, old)


def _copies(project: Project, known: Registered) -> Holding:
    """Versions fetched from an MLflow server."""
    home = project.local / "models"
    spares = [
        Spare(path, path.name[:12], "no longer registered", None)
        for path in children(home)
        if path.name not in known.models
    ]
    return holding(project, "fetched models", [home], spares, "registered on the server")


def _store(project: Project, gibibytes: float | None) -> Holding:
    """The per-sample store: nobody can tell which of its results will be asked for again."""
    store = Store.of(project.root)
    paths = [store.path.with_name(f"{FILE}{end}") for end in ("", "-wal", "-shm")]
    there = [path for path in paths if path.exists()]
    found = holding(project, "per-sample results", [store.path], [], "")
    room = f"room for {store.room / GIBIBYTE:g} GiB"
    if gibibytes is None:
        return found._replace(paths=there, why=f"{room}; --store GIBIBYTES shrinks it")
    limit = int(gibibytes * GIBIBYTE)
    spare, why = max(0, store.bytes() - limit), f"beyond {gibibytes:g} GiB, the least recently used"
    return found._replace(paths=there, spare=spare, why=why if spare else room, release=partial(store.shrink, limit))


def _cache(project: Project, known: Registered) -> Iterator[Holding]:
    """DVC's cache. While somebody works nothing of it goes: what he is about to record may lie there already."""
    home = dvc_store.cache(project.root)
    if home is None:
        return
    objects = [] if project.anyone else dvc_store.unneeded(project.root, home, known.data)
    why = (
        f"{len(objects):,} files that neither dvc.lock nor a registered version names"
        if objects
        else "all of it is needed"
    )
    release = partial(dvc_store.let_go, project.root, home, known.data) if objects else partial(delete, [])
    where = home.relative_to(project.root.resolve()).as_posix()
    yield Holding("DVC cache", where, [home], removal.weight(objects), project.anyone or why, release)
