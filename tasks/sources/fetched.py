"""Where what params.yaml names is kept once it is fetched, below .local/downloads."""

from collections.abc import Iterator
from pathlib import Path

from tasks.schema import Config, PackageFile, PackageParts, RemoteSource, UrlSource
from tasks.sources import packages, remote, url

MIRRORS = "remote"


def files(params: Config, root: Path) -> Iterator[Path]:
    """Yield the archives and mirrors of every data set and backbone that are there."""
    downloads = root / ".local" / "downloads"
    for dataset in params.datasets.values():
        yield from _of(dataset.ingest.source, downloads)
    for backbone in params.backbones.values():
        yield from _of(backbone.source, downloads)


def _of(source: object, downloads: Path) -> Iterator[Path]:
    match source:
        case PackageFile() if downloads.is_dir():
            yield from packages.files_of(source, downloads)
        case PackageParts():
            for part in source.packages:
                yield from _of(part, downloads)
        case UrlSource():
            yield url.place(source, downloads)
        case RemoteSource():
            yield remote.place(source, downloads)
