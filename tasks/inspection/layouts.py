"""Looks at an address and tells how the data there lies."""

from tasks.errors import SourceError
from tasks.inspection import folders, tabular
from tasks.inspection.request import Layout, Request
from tasks.sources import tables


def recognised(request: Request) -> Layout:
    """Return how the data at the request's address lies; SourceError where it is none that can be learnt from."""
    if request.query is not None:
        from tasks.inspection import database

        return database.layout(request)
    if "://" in request.address:
        from tasks.inspection import remote

        return remote.layout(request)
    path = request.path
    if path.is_dir():
        return folders.layout(request, path)
    if not path.exists():
        raise SourceError(f"--from {request.address}: there is no such file or folder{_hint(request)}")
    if path.suffix.lower() in tables.READERS:
        return tabular.layout(request, path)
    known = ", ".join(tables.READERS)
    if path.suffix.lower() in (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"):
        raise SourceError(f"{request.address}: is an archive; unpack it, then --from THE FOLDER")
    raise SourceError(f"{request.address}: is one file; expected a folder of samples, or a table ({known})")


def _hint(request: Request) -> str:
    upper = request.address.isupper() or request.address.replace("_", "").isupper()
    return "; for a database add --query 'SELECT ...'" if upper else ""
