"""A bar with the time left on a terminal; silence where there is none."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


def note(text: str) -> None:
    """Print a line about work under way on standard error."""
    print(f"    {text}", file=sys.stderr, flush=True)  # noqa: T201


def track(items: Iterable[Item], description: str, total: int) -> Iterator[Item]:
    """Yield the items and show on standard error how many of `total` are done and how long the rest will take."""
    with bar(description, total) as advance:
        for item in items:
            yield item
            advance()


@contextmanager
def bar(description: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar while the block runs; each call of what it yields is one step of `total`."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("    {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(description, total=total)
        yield lambda: progress.advance(task)
