"""The registered models of a project: versions, aliases, where their files lie and where they come from."""

import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from tasks.errors import RegistryError
from tasks.records import packaging, tracking
from tasks.workspace import Workspace

if TYPE_CHECKING:
    from tasks.records.tracking import MlflowClient

CHAMPION, CHALLENGER = "champion", "challenger"
DIGEST = "model_digest"
DECISION = "decision"

Version = dict[str, Any]
"""What is known of a registered version; see `describe`."""


def versions(root: Path, name: str) -> list[Version]:
    """Return every version of a registered model, the newest first; empty if there is none."""
    with tracking.connected(root) as client:
        return listed(client, name)


def describe(root: Path, name: str, which: str) -> Version:
    """Return all that is known of the version `which`, an alias or a number; RegistryError if there is none.

    Keys, of which those not recorded are missing: version, aliases, run_id, registered (local date and time),
    training, metric, value, low, high, decision, data_path, data_md5, data_samples, manifest_sha256, git_commit,
    git_diff_lines, backbone, backbone_sha256, backbone_licence, model_digest, source (the address of its files).
    """
    return named(root, name, which, versions(root, name))


def named(root: Path, name: str, which: str, known: list[Version]) -> Version:
    """Return the version `which` of the known ones; RegistryError, which says what there is, if it is none of them."""
    for version in known:
        if which in (version["version"], *version["aliases"]):
            return version
    if not known and Workspace(root, name).registration.exists():
        lost = f"{tracking.address(root)} does not know the registered model of {name}"
        raise RegistryError(f"{lost}; register it again: python -m tasks register {name}")
    if not known:
        raise RegistryError(f"{name} has no registered model yet; make one: transfer run {name}")
    there = ", ".join(" ".join([version["version"], *version["aliases"]]) for version in known)
    raise RegistryError(f"{name} has no version or alias {which!r}; there are: {there}")


def champion_directory(root: Path, name: str) -> Path:
    """Return the model directory of a registered model's champion."""
    return version_directory(root, name, CHAMPION)


def version_directory(root: Path, name: str, which: str) -> Path:
    """Return the model directory of the version `which`, an alias or a number."""
    return model_directory(package_directory(root, describe(root, name, which)))


def package_directory(root: Path, version: Version) -> Path:
    """Return the MLflow model of a version: where it lies, or, from a server, a copy fetched once."""
    source = str(version["source"])
    if Path(source).is_absolute():
        return Path(source)
    if source.startswith("file:"):
        return Path(url2pathname(urlparse(source).path))
    kept = root / ".local" / "models" / str(version[DIGEST])
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as scratch, tracking.connected(root):
            packaging.fetch(root, source, Path(scratch)).rename(kept)
    return kept


def model_directory(package: Path) -> Path:
    """Return the model directory in an MLflow model; RegistryError if its files are gone."""
    found = sorted((package / "artifacts").glob("*/pipeline.json"))
    if not found:
        raise RegistryError(
            f"{package}: the registered model's files are gone; delete the version in transfer ui and run again"
        )
    return found[0].parent


def listed(client: "MlflowClient", name: str) -> list[Version]:
    """Return every version of a registered model as the client tells it, the newest first."""
    models = client.search_registered_models(f"name = '{name}'")
    aliases = models[0].aliases if models else {}
    found = client.search_model_versions(f"name = '{name}'") if models else []
    return [_told(version, aliases) for version in sorted(found, key=lambda one: -int(one.version))]


def _told(version: Any, aliases: dict[str, str]) -> Version:
    number = str(version.version)
    registered = datetime.fromtimestamp(version.creation_timestamp / 1000).astimezone()
    return {
        "version": number,
        "aliases": sorted(alias for alias, of in aliases.items() if str(of) == number),
        "run_id": version.run_id,
        "registered": registered.strftime("%Y-%m-%d %H:%M"),
        "source": version.source,
        **version.tags,
    }
