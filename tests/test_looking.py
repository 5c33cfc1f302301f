"""Sources that DVC cannot see: a change is noticed before anything runs, and both callers agree on what is fresh."""

import json
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from project import Project, make

pytestmark = pytest.mark.integration

SECRET = "hunter2-is-long"  # noqa: S105 - of no database
TABLE = """        kind: table
        path: texts/colours.csv
        content: text
"""
SQL = """        kind: sql
        path: data/colours/source
        address: COLOURS_DATABASE
        query: SELECT text, label FROM colours
        content: text
"""
REMOTE = """        kind: remote
        path: data/colours/source
        address: ADDRESS
        inside:
          kind: table
          path: colours.csv
          content: text
          columns: {content: text, label: label, group: null, split: null, confidence: null}
"""
COLUMNS = "        columns: {content: text, label: label, group: null, split: null, confidence: null}\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with one training, whose texts lie in a database, run once; tests work on copies of it."""
    made = make(tmp_path_factory.mktemp("template"))
    made.change(TABLE, SQL)
    made.change("[colours-head, colours-partial]", "[colours-head]")
    params = made.root / "params.yaml"
    params.write_text(params.read_text().partition("  colours-partial:")[0] + "searches: {}\n")
    ask(made.root, "CREATE TABLE colours (text, label)")
    for line in (made.root / "texts" / "colours.csv").read_text().splitlines()[1:]:
        ask(made.root, "INSERT INTO colours VALUES (?, ?)", *line.split(","))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("COLOURS_DATABASE", address(made.root))
        first = made.transfer("run")
    assert first.returncode == 0, first.stdout + first.stderr
    assert SECRET not in first.stdout + first.stderr
    return made


@pytest.fixture
def project(template: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    subprocess.run(["cp", "-a", f"{template.root}/.", str(tmp_path)], check=True)
    monkeypatch.setenv("COLOURS_DATABASE", address(tmp_path))
    return Project(tmp_path)


def address(root: Path) -> str:
    """The address of a project's database, with a password that SQLite ignores."""
    return f"sqlite:///file:{root}/colours.db?uri=true&password={SECRET}"


def ask(root: Path, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(root / "colours.db")) as connection, connection:
        connection.execute(statement, values)


def runs(project: Project, *arguments: str) -> str:
    """Run `transfer ...`, which must go well, and return what it told."""
    done = project.transfer(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def is_clean(project: Project) -> bool:
    """Tell whether DVC finds nothing to do, asked for what is stale and told to run it."""
    done = project.dvc("repro")
    assert done.returncode == 0, done.stderr
    return project.stale() == {} and "Running stage" not in done.stdout


def test_a_changed_row_is_noticed_by_both_callers(project: Project) -> None:
    assert is_clean(project)
    assert "nothing to do" in runs(project, "run")

    ask(project.root, "UPDATE colours SET label = 'cold' WHERE rowid = 1")
    assert "stale  data/colours/source changed" in runs(project, "status")
    assert "Running stage 'ingest@colours'" in project.dvc("repro", "ingest@colours").stdout
    assert "ingest@colours" not in project.stale()
    assert re.search(r"ingest +fresh", runs(project, "status"))

    ask(project.root, "DELETE FROM colours WHERE rowid = 2")
    assert "because data/colours/source changed" in runs(project, "run")
    assert is_clean(project)
    read = json.loads((project.root / ".local/counters/colours/ingest.json").read_text())["read"]
    assert json.loads((project.root / "data/colours/source/state.json").read_text())["rows"] == read == 119


def test_a_database_that_never_rests_can_be_recorded(project: Project) -> None:
    project.change("SELECT text, label FROM colours", "SELECT text || ' ' || random() AS text, label FROM colours")
    runs(project, "run")
    assert is_clean(project)
    assert "data/colours/source changed" in runs(project, "status")


def test_a_database_that_is_gone_and_a_password_that_is_nowhere(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = ""
    missing = "COLOURS_DATABASE: this environment variable is not set"
    monkeypatch.delenv("COLOURS_DATABASE")
    for command in ("status", "run"):
        again = project.transfer(command)
        assert again.returncode == 0
        assert again.stderr.count("\n") == 1
        assert again.stderr.startswith(f"note  colours: cannot tell whether its source changed: {missing}")
        told += again.stdout + again.stderr
    assert "nothing to do" in again.stdout

    project.change("      refused_share: 0.1\n", "      refused_share: 0.2\n")
    failed = project.transfer("run")
    assert failed.returncode == 1
    assert f"error colours: {missing}" in failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr

    monkeypatch.setenv("COLOURS_DATABASE", address(project.root))
    project.change("FROM colours", "FROM coulors")
    broken = project.transfer("run")
    assert broken.returncode == 1
    assert "the query failed (no such table: coulors)" in broken.stderr
    for answer in (failed, broken):
        told += answer.stdout + answer.stderr
    assert SECRET not in told
    files = [path for path in project.root.rglob("*") if path.is_file()]
    assert len(files) > 100
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_a_changed_file_of_a_store_is_noticed(project: Project, tmp_path: Path) -> None:
    project.change(SQL + COLUMNS, REMOTE.replace("ADDRESS", f"file://{tmp_path}/texts"))
    runs(project, "run")
    assert is_clean(project)
    with (project.root / "texts/colours.csv").open("a") as table:
        table.write("one more red,warm\n")
    assert "stale  data/colours/source changed" in runs(project, "status")
