"""What the tables of bad inputs share: a small project that was ingested once, and what of it must stay as it was."""

import sys
from pathlib import Path
from typing import NamedTuple

import project
import pytest

from flows import cli
from tasks.__main__ import main
from tasks.workspace import file_hashes

ROWS = [f"text {number},{'ab'[number % 2]}" for number in range(60)]
GOOD = "\n".join(["text,label", *ROWS, ""])
PARAMS = project.PARAMS.replace("SHA256", "a" * 64)
STAYS = "; what was ingested before stays usable in data/colours/raw"


class Answer(NamedTuple):
    """What a command said and returned."""

    code: int
    out: str
    err: str


def write(path: Path, content: str | bytes) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def ingested(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Make `root` the folder we are in, a project whose table of 60 texts was ingested."""
    write(root / "params.yaml", PARAMS)
    write(root / "texts" / "colours.csv", GOOD)
    monkeypatch.chdir(root)
    assert stage("ingest", "colours", capsys).code == 0


def stage(name: str, of: str, capsys: pytest.CaptureFixture[str]) -> Answer:
    """Answer `python -m tasks STAGE NAME`, as DVC runs it, without a process of its own."""
    capsys.readouterr()
    return Answer(main([name, of]), *capsys.readouterr())


def transfer(*arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Answer:
    """Answer `transfer ...` without a process of its own."""
    monkeypatch.setattr(sys, "argv", ["transfer", *arguments])
    monkeypatch.setattr(cli, "settle", lambda _: None)
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return Answer(int(ended.value.code or 0), *capsys.readouterr())


def standing(root: Path) -> dict[str, str]:
    """What a failure must leave as it was: the sha256 of params.yaml and of all that stages have written.

    The list of refused samples beside it tells of the failure itself.
    """
    changing = (".local", "texts", "data/colours/refused.csv")
    return {name: digest for name, digest in file_hashes(root).items() if not name.startswith(changing)}
