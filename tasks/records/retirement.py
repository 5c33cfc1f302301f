"""Which registered versions are still of use, what they need, and how the others leave the registry."""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tasks.records import tracking
from tasks.records.registry import DIGEST, Version, listed, package_directory
from tasks.workspace import Workspace, remembered

if TYPE_CHECKING:
    from tasks.records.tracking import MlflowClient

MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
"""How DVC names a file, or a folder."""
MODELS = 1000
"""More registered models than a project has."""


class Old(NamedTuple):
    """A version that is kept by no alias and no wish, and the folder of its files, which are this project's own.

    `models`: the ids of MLflow's logged models that are the same files; left, they would be registered again.
    """

    name: str
    number: str
    models: list[str]
    folder: Path


class Registered(NamedTuple):
    """The old versions; and what the others need: md5s of their data as DVC keeps it, sha256s of backbone and model."""

    old: list[Old]
    data: set[str]
    backbones: set[str]
    models: set[str]


def registered(root: Path, keep: Mapping[str, int]) -> Registered:
    """Ask the registry. RegistryError where it does not answer: then nobody knows what is needed.

    Old is a version without any alias whose files lie in this project and whose model is not the current one, but for
    the newest of them, as many as `keep` says of the model's name. A registry that others share loses nothing.
    """
    found = Registered([], set(), set(), set())
    where = tracking.address(root)
    if where.startswith(tracking.SQLITE) and not Path(where.removeprefix(tracking.SQLITE)).exists():
        return found
    with tracking.connected(root) as client:
        for model in client.search_registered_models(max_results=MODELS):
            kept = keep.get(model.name, 0)
            for version in listed(client, model.name):
                folder = _own_files(root, version)
                if folder is None or version["aliases"] or version.get(DIGEST) == _current(root, model.name):
                    _note(found, client, version)
                elif kept:
                    kept -= 1
                    _note(found, client, version)
                else:
                    found.old.append(Old(model.name, version["version"], _logged(client, version), folder))
    return found


def retire(root: Path, old: list[Old]) -> None:
    """Take versions out of the registry; their files must be gone already, so that a killed clean-up can go on."""
    with tracking.connected(root) as client:
        for version in old:
            client.delete_model_version(version.name, version.number)
            for model in version.models:
                client.delete_logged_model(model)
            with suppress(OSError):  # MLflow keeps the files in a folder of the model, which is empty now
                version.folder.parent.rmdir()


def _own_files(root: Path, version: Version) -> Path | None:
    """Return the folder of a version's files if it lies in this project's own store of artifacts."""
    source, home = str(version["source"]), (root / ".local" / "artifacts").resolve()
    if not (Path(source).is_absolute() or source.startswith("file:")):
        return None
    package = package_directory(root, version).resolve()
    return package if package.is_relative_to(home) else None


def _logged(client: "MlflowClient", version: Version) -> list[str]:
    with suppress(tracking.library().MlflowException):  # its run may have been deleted by hand
        experiment = client.get_run(version["run_id"]).info.experiment_id
        found = client.search_logged_models([experiment], f"tags.{DIGEST} = '{version.get(DIGEST)}'")
        return [model.model_id for model in found if str(model.artifact_location) == version["source"]]
    return []


def _current(root: Path, name: str) -> str | None:
    """Return the digest of the model that a data set's last run registered."""
    told = remembered(Workspace(root, name).registration / "registration.json")
    return told.get("model_digest")


def _note(found: Registered, client: "MlflowClient", version: Version) -> None:
    tags = dict(version)
    with suppress(tracking.library().MlflowException):  # its run may have been deleted by hand
        tags |= client.get_run(version["run_id"]).data.tags
    found.data.update(str(value) for value in tags.values() if MD5.fullmatch(str(value)))
    found.backbones.add(str(version.get("backbone_sha256")))
    found.models.add(str(version.get(DIGEST)))
