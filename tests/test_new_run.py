"""A user's own table, from `transfer new` to a registered model and away again, by the commands a user types."""

from pathlib import Path

import pytest
from project import Project, make, write_texts

from tasks.config import read_yaml

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project and, beside it, a table that it does not know."""
    made = make(tmp_path_factory.mktemp("beside") / "project")
    write_texts(made.root.parent / "my own" / "hues.csv", 90)
    return made


def test_from_a_table_to_a_champion_and_back(project: Project) -> None:
    before, table = (project.root / "params.yaml").read_bytes(), project.root.parent / "my own" / "hues.csv"
    shown = project.transfer("new", "hues", "--from", "../my own/hues.csv")
    assert (shown.returncode, shown.stderr.count("\n")) == (1, 1) and "add --yes" in shown.stderr
    assert "90 texts" in shown.stdout and (project.root / "params.yaml").read_bytes() == before

    new = project.transfer("new", "hues", "--from", "../my own/hues.csv", "--yes")
    assert new.returncode == 0, new.stderr
    assert new.stdout.endswith("next: transfer run hues\n")
    assert read_yaml(project.root / "params.yaml")["datasets"]["hues"]["ingest"]["source"]["path"] == str(table)

    ran = project.transfer("run", "hues")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 champion" in ran.stdout and "scratch" in ran.stdout
    assert not any(stage.endswith(("@hues", "@hues-head")) for stage in project.stale())

    again = project.transfer("new", "others", "--from", "../my own/hues.csv")
    assert "by one small batch just measured" in again.stdout

    gone = project.transfer("remove", "hues", "--yes")
    assert gone.returncode == 0, gone.stderr
    assert "registered versions up to 1" in gone.stdout and "MB are free again" in gone.stdout
    assert (project.root / "params.yaml").read_bytes() == before and table.exists()
    assert not (project.root / "dvc.lock").exists() and not (project.root / "data" / "hues").exists()
    assert [path for path in (project.root / ".dvc" / "cache").rglob("*") if path.is_file()] == []
    assert not [path for path in (project.root / ".local").rglob("*hues*") if "artifacts" not in path.parts]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("new", "my hues", "--from", "texts"), "is no name"),
        (("new", "hues", "--from", "nowhere"), "--from nowhere: there is no such file or folder"),
        (("new", "colours", "--from", "texts"), "has a data set colours already"),
        (("remove", "hue"), 'no data set "hue"'),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_1(project: Project, arguments: tuple[str, ...], told: str) -> None:
    before = Path(project.root / "params.yaml").read_bytes()
    answered = project.transfer(*arguments)
    assert answered.returncode == 1 and answered.stderr.count("\n") == 1
    assert told in answered.stderr
    assert (project.root / "params.yaml").read_bytes() == before
