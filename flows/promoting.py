"""`transfer promote` and `transfer rollback`: a person decides who is champion, and says why."""

from contextlib import AbstractContextManager
from pathlib import Path

from flows import console
from tasks import config
from tasks.workspace import Workspace


def promote(root: Path, name: str, which: str, because: str) -> None:
    """Make a version (an alias or a number) champion."""
    from tasks.records import throne

    with _held(root, name, "transfer promote"):
        chosen = throne.promote(root, name, which, because)
    console.out.print(f"{name}  version {chosen['version']} is champion: {because}", markup=False)


def rollback(root: Path, name: str, because: str) -> None:
    """Give the champion before this one its place back."""
    from tasks.records import throne

    with _held(root, name, "transfer rollback"):
        lost, got = throne.rollback(root, name, because)
    console.out.print(
        f"{name}  version {got['version']} is champion again, version {lost['version']} was rolled back: {because}",
        markup=False,
    )


def _held(root: Path, name: str, what: str) -> AbstractContextManager[str]:
    """Hold the data set, so that no run decides meanwhile; ConfigError where there is no such data set."""
    return Workspace(root, config.dataset(config.load(root), name).name).locked(what)
