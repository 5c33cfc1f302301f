"""Models of the Hugging Face hub: one revision, by the hub's own client, or without a network from its cache."""

from pathlib import Path

from tasks.errors import BackboneError
from tasks.schema import HubSource

COMPANIONS = ("*.json", "*.txt", "*.model")
"""What is taken of a hub's or a folder's model beside its weights: configuration and vocabularies, no code."""


def snapshot(name: str, source: HubSource, file: str) -> Path:
    """Download `file` and what belongs to it, or find both in the hub's cache, and return their folder.

    BackboneError, which says where it was looked for and how to get it, if they cannot be had.
    """
    from httpx2 import HTTPError
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(source.id, revision=source.revision, allow_patterns=[file, *COMPANIONS])
    except (HTTPError, OSError, ValueError) as error:
        raise BackboneError(
            f"{name}: {file} of {source.id}, revision {source.revision}, cannot be fetched from the hub "
            f"({_reason(error)}), nor wholly found in {cached(source)}; {_by_hand(source)}"
        ) from None
    return Path(folder)


def cached(source: HubSource) -> Path:
    """Return the folder of the hub's cache that a model is kept in."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=source.id, repo_type="model")


def files(source: HubSource) -> list[str]:
    """Return the names of all files of the revision; none where the hub cannot be asked."""
    from httpx2 import HTTPError
    from huggingface_hub import HfApi

    try:
        return sorted(HfApi().list_repo_files(source.id, revision=source.revision))
    except (HTTPError, OSError, ValueError):
        return []


def _reason(error: Exception) -> str:
    """Return what happened in one line: what the cache lacks, or what kept the client from asking."""
    from huggingface_hub.errors import IncompleteSnapshotError

    told = error if isinstance(error, IncompleteSnapshotError) else error.__cause__ or error
    lines = [line.strip() for line in str(told).splitlines() if line.strip()]
    return lines[0].partition(". ")[0][:200] if lines else type(told).__name__


def _by_hand(source: HubSource) -> str:
    command = f"hf download {source.id} --revision {source.revision} --local-dir FOLDER"
    return (
        f"check id, revision and HF_HUB_OFFLINE, or on a connected machine run `{command}`, "
        "copy FOLDER here and declare it (kind: folder)"
    )
