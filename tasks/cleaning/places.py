"""What lies in data/ and .local/, by kind: of whom it is, and whether params.yaml still names it."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tasks import versioning
from tasks.cleaning.holding import Holding, Project, Spare, children, holding
from tasks.sources import fetched
from tasks.workspace import FILES

GONE = "not in params.yaml"
TEMPORARY = ".tmp"
STAYS = ("source", "report", TEMPORARY)
"""Folders of data/NAME that belong to another kind."""
RECORDS = ("measurements", "runs", "counters", "tune", "mlflow.db", "prefect")
"""What of .local nothing would bring back."""
KILLED = "left by killed processes"


def data(project: Project) -> Holding:
    """What the stages wrote: of data sets that are gone all of it, of others the models of trainings that are gone.

    Only a folder with a files.json is taken for a stage's: anything else in data/ is the user's own.
    """
    homes = children(project.root / "data")
    spares = [spare for home in homes for spare in _of_data_set(project, home)]
    lost = {spare.dataset for spare in spares if project.free(spare) and spare.dataset in project.params.datasets}
    paths = [path for home in homes for path in children(home) if path.name not in STAYS]
    found = holding(project, "data and models", [project.root / "data"], spares, "all of it is named in params.yaml")
    release = partial(_release, project.root, found.release, sorted(filter(None, lost)))
    return found._replace(paths=paths, release=release)


def _of_data_set(project: Project, home: Path) -> Iterator[Spare]:
    name, known = home.name, home.name in project.params.datasets
    trainings = {key for key, training in project.params.trainings.items() if training.dataset == name}
    for path in [] if known else children(home):
        if (path / FILES).is_file():
            yield Spare(path, name, GONE, name)
    for path in children(home / "models"):
        if (path / FILES).is_file() and path.name not in trainings:
            yield Spare(path, path.name if known else name, GONE, name)


def _release(root: Path, release: Callable[[], None], changed: list[str]) -> None:
    """Let go, and keep fresh what was: evaluate and register hang on the folder of all models but read those named."""
    stages = [f"{stage}@{name}" for name in changed for stage in ("evaluate", "register")]
    stages = [stage for stage in stages if versioning.recorded(root, stage)]
    stale = versioning.status(root, stages) if stages else {}
    release()
    for stage in stages:
        if stage not in stale:
            versioning.commit(root, stage)
    for folder in sorted((root / "data").glob("*/models")) + sorted((root / "data").glob("*")):
        if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()


def reports(project: Project) -> Holding:
    """The pages about data sets."""
    pages = [page for home in children(project.root / "data") for page in children(home) if page.name == "report"]
    gone = [page for page in pages if page.parent.name not in project.params.datasets and _is_page(page)]
    spares = [Spare(page, page.parent.name, GONE, page.parent.name) for page in gone]
    found = holding(project, "report pages", [project.root / "data", *pages], spares, "one for each data set")
    return found._replace(where="data/*/report", paths=pages)


def _is_page(folder: Path) -> bool:
    return (folder / "report.html").is_file()


def checkpoints(project: Project) -> Holding:
    """Checkpoints: a training that was killed goes on from them, one that ended or is gone does not."""
    home = project.local / "checkpoints"
    folders = [folder for dataset in children(home) for folder in children(dataset)]
    spares = []
    for folder in folders:
        training, dataset = folder.name.removesuffix(".measured"), folder.parent.name
        known = project.params.trainings.get(training)
        if known is None or known.dataset != dataset:
            spares.append(Spare(folder, training, GONE, dataset))
        elif folder.name == training and _ended(folder, project.root / "data" / dataset / "models" / training / FILES):
            spares.append(Spare(folder, training, "ended since", dataset))
    return holding(project, "checkpoints", [home], spares, "of trainings that can go on")


def _ended(checkpoints: Path, model: Path) -> bool:
    """Tell whether the model was written after the last of the checkpoints."""
    latest = max((path.stat().st_mtime for path in checkpoints.rglob("*.pt")), default=0.0)
    return model.exists() and model.stat().st_mtime >= latest


def ranked(project: Project) -> Holding:
    """Samples and features as the candidates of `transfer rank` see them."""
    home = project.local / "rank"
    spares = []
    for folder in (one for dataset in children(home) for one in children(dataset)):
        dataset = folder.parent.name
        candidates = project.params.candidates.get(dataset, [])
        wanted = {one.backbone if one.layers is None else f"{one.backbone}-{one.layers}" for one in candidates}
        wanted |= {one.backbone for one in candidates}  # where those with fewer layers have their samples
        if folder.name not in wanted:
            spares.append(Spare(folder, f"{dataset}/{folder.name}", "no candidate of params.yaml", dataset))
    return holding(project, "candidates' features", [home], spares, "of the candidates in params.yaml")


def downloads(project: Project) -> Holding:
    """What was fetched: archives of packages and addresses, mirrors of stores."""
    home = project.local / "downloads"
    needed = set(fetched.files(project.params, project.root))
    there = [path for path in children(home) if path.name != fetched.MIRRORS]
    there += children(home / fetched.MIRRORS)
    spares = [Spare(path, path.name, GONE, None) for path in there if path not in needed and not _is_lock(path)]
    return holding(project, "downloads", [home], spares, "named in params.yaml")


def backbones(project: Project, registered: set[str]) -> Holding:
    """Converted backbones; those of `registered`, by sha256, stay although params.yaml no longer names them."""
    home = project.local / "backbones"
    pinned = {f"{name}-{one.sha256[:12]}" for name, one in project.params.backbones.items()}
    kept = {digest[:12] for digest in registered}
    spares = [
        Spare(path, path.name, GONE, None)
        for path in children(home)
        if path.name not in pinned and path.name.rpartition("-")[2] not in kept and not _is_lock(path)
    ]
    return holding(project, "backbones", [home], spares, "named in params.yaml, or a registered version's")


def logs(project: Project) -> Holding:
    """Stories of failures, one for each data set."""
    home = project.local / "logs"
    gone = [path for path in children(home) if path.stem not in project.params.datasets]
    spares = [Spare(path, path.stem, GONE, path.stem) for path in gone]
    return holding(project, "logs", [home], spares, "the last failure of each data set")


def temporary(project: Project) -> Holding:
    """What killed processes left half written."""
    homes = {home: home.parent.name for home in project.root.glob(f"data/*/{TEMPORARY}")}
    homes |= {home: home.parent.parent.name for home in project.local.glob(f"rank/*/*/{TEMPORARY}")}
    scratch, made = project.local / "tmp", [path for path in project.local.glob("tmp?*") if path.is_dir()]
    beside = {path: name for home, name in homes.items() for path in children(home) if not _is_last(path)}
    spares = [Spare(path, f"{name}/{path.name}", KILLED, name) for path, name in beside.items()]
    spares += [Spare(path, path.name, KILLED, None) for path in [*children(scratch), *made]]
    found = holding(project, "temporary", [scratch], spares, "the last copy of what was replaced")
    return found._replace(where="data/*/.tmp, .local/tmp", paths=[*homes, scratch, *made])


def _is_last(aside: Path) -> bool:
    """Tell whether a folder put aside has no successor: killed in between, its process left nothing else."""
    name = aside.name.removesuffix(".old")
    home = aside.parent.parent
    place = home / "models" / name.removeprefix("models-") if name.startswith("models-") else home / name
    return aside.name.endswith(".old") and not place.exists()


def records(project: Project) -> Holding:
    """Measurements, searches, what runs wrote down, and what MLflow and Prefect remember."""
    found = holding(project, "records", [project.local], [], "measurements, searches, runs, databases: all kept")
    return found._replace(paths=[project.local / name for name in RECORDS])


def _is_lock(path: Path) -> bool:
    return path.name.endswith(".lock")


KINDS = (data, reports, checkpoints, ranked, downloads, logs, temporary, records)
"""Whatever goes by params.yaml alone."""
