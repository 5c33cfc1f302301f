"""Before DVC is asked what is stale: sources that lie where it cannot look are asked whether they changed."""

from pathlib import Path

from flows import console
from tasks import sources
from tasks.errors import BusyError, SourceError
from tasks.schema import Config
from tasks.workspace import Workspace


def look(root: Path, loaded: Config, names: list[str]) -> None:
    """Let such sources of the named data sets note what they hold now; one that cannot be asked is told in one line.

    It then counts as it was noted last: what was ingested stays fresh, and a stale ingest says itself what it misses.
    """
    for name in names:
        settings = loaded.datasets[name].ingest.source
        watched = sources.watched(settings.kind)
        if watched is None:
            continue
        try:
            with Workspace(root, name).locked("looking at its source"):
                watched.look(settings, root)
        except BusyError:
            continue  # whoever holds the data set has looked, and what it reads now must not be noted as another
        except SourceError as error:
            console.note(f"{name}: cannot tell whether its source changed: {error}")
