"""What a user sees while data sets run: one line per stage, plain where the terminal is none."""

import sys
from typing import Any

from rich.console import Console
from rich.markup import escape

from flows.plan import Step
from tasks.errors import TransferError

COLOURS = {"ran": "green", "fresh": "dim", "kept": "yellow", "stale": "yellow"}

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)
err = Console(highlight=False, soft_wrap=True, stderr=True)


def heading(dataset: str) -> None:
    """Print the name of the data set whose stages follow."""
    out.print(f"[bold]{dataset}[/bold]")


def step(step: Step, state: str, told: str, seconds: float | None) -> None:
    """Print what became of one step."""
    label = f"finetune {step.key}" if step.stage == "finetune" else step.stage
    time = "" if seconds is None else f"   {duration(seconds)}"
    out.print(f"  {label:<36} [{COLOURS[state]}]{state:<6}[/] {escape(told)}{time}".rstrip())


def warning(message: str) -> None:
    """Print what a user should look at, below the step that found it."""
    out.print(f"    [yellow]look at[/yellow]  {escape(message)}")


def failure(message: str) -> None:
    """Print an error, one line, on standard error."""
    err.print(f"[red]error[/red] {escape(message)}")


def note(message: str) -> None:
    """Print what should be known but stops nothing, one line, on standard error."""
    err.print(f"[yellow]note[/yellow]  {escape(message)}")


def agreed(question: str, yes: bool, otherwise: str) -> bool:
    """Ask, unless the answer is known; where nobody can be asked, say how it is done."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise TransferError(f"{otherwise}: nobody can be asked here; to agree, add --yes")
    if out.input(f"{question} [y/N] ", markup=False).strip().lower() in ("y", "yes"):
        return True
    out.print(otherwise)
    return False


def duration(seconds: float) -> str:
    """Return seconds as people say them: 0.4 s, 12 s, 2 min 10 s."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def span(low: float, high: float) -> str:
    """Return a range of seconds as people say it: 20 to 50 s, 3 to 8 min, 1.5 to 4.0 h."""
    if high < 120:
        return f"{low:.0f} to {high:.0f} s"
    if high < 7200:
        return f"{low / 60:.0f} to {high / 60:.0f} min" if low >= 60 else f"{low:.0f} s to {high / 60:.0f} min"
    return f"{low / 3600:.1f} to {high / 3600:.1f} h"


def table(title: str, columns: list[str], rows: list[list[Any]]) -> None:
    """Print rows under column names; on a terminal framed lightly, elsewhere as plain text."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    grid = Table(title=title, box=SIMPLE_HEAD, title_justify="left", title_style="bold")
    for column in columns:
        grid.add_column(column, no_wrap=True)
    for row in rows:
        grid.add_row(*(escape(str(cell)) for cell in row))
    out.print(grid)
