"""Who is looked at before DVC is asked, and what happens when looking fails."""

import json
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from flows import looking
from tasks import config as configuration
from tasks import sources
from tasks.errors import ConfigError, UnreachableError
from tasks.schema import Columns, Config, SqlSource
from tasks.sources import sql, state
from tasks.workspace import read_json, write_json

COLUMNS = Columns(content="text", label="label", group=None, split=None, confidence=None)


@pytest.fixture
def loaded(config: Config, tiny_dataset: Any) -> Config:
    """The data sets of params.yaml, of which the film reviews lie in a database."""
    path = Path("data/movie-reviews/source")
    own = SqlSource(kind="sql", path=path, address="NOWHERE", query="SELECT 1", content="text", columns=COLUMNS)
    changed = tiny_dataset("movie-reviews", {"ingest.source": own})
    return config.model_copy(update={"datasets": config.datasets | {"movie-reviews": changed}})


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were looked at."""
    found: list[str] = []
    monkeypatch.setattr(sql, "look", lambda source, root: found.append(source.address))
    return found


def test_only_what_dvc_cannot_see_is_looked_at(loaded: Config, root: Path, looked: list[str]) -> None:
    looking.look(root, loaded, list(loaded.datasets))
    assert looked == ["NOWHERE"]
    assert [path.name for path in (root / ".local" / "locks").glob("*.lock")] == ["movie-reviews.lock"]


def test_only_what_was_asked_for_is_looked_at(loaded: Config, root: Path, looked: list[str]) -> None:
    looking.look(root, loaded, ["solar-cells"])
    assert looked == []


def test_nothing_is_noted_while_another_run_reads(loaded: Config, root: Path, looked: list[str]) -> None:
    (root / ".local" / "locks").mkdir(parents=True)
    with FileLock(root / ".local" / "locks" / "movie-reviews.lock"):
        looking.look(root, loaded, ["movie-reviews"])
    assert looked == []


def test_a_source_that_does_not_answer_is_one_line(
    loaded: Config, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_source: Any, _root: Path) -> None:
        raise UnreachableError("NOWHERE: the database cannot be reached [Errno 111]; try again")

    monkeypatch.setattr(sql, "look", fails)
    looking.look(root, loaded, ["movie-reviews", "solar-cells"])
    said = "NOWHERE: the database cannot be reached [Errno 111]; try again"
    assert capsys.readouterr().err == f"note  movie-reviews: cannot tell whether its source changed: {said}\n"


def test_every_watched_source_can_be_looked_at() -> None:
    assert set(sources.WATCHED) == {"sql", "remote"} < set(sources.SOURCES)
    for kind in sources.SOURCES:
        watched = sources.watched(kind)
        assert (watched is not None) == (kind in sources.WATCHED) == hasattr(sources.source(kind), "look")


def test_a_note_that_says_the_same_is_not_touched(root: Path) -> None:
    state.keep(root / "source", {"rows": 1, "sha256": "a"})
    before = (root / "source/state.json").stat()
    state.keep(root / "source", {"rows": 1, "sha256": "a"})
    assert (root / "source/state.json").stat().st_ino == before.st_ino
    state.keep(root / "source", {"rows": 2, "sha256": "a"})
    assert read_json(root / "source/state.json") == {"rows": 2, "sha256": "a"}


def test_a_digest_tells_rows_apart() -> None:
    rows = [("a", "b"), ("c", 1)]
    others = [
        [("ab", ""), ("c", 1)],
        [("a", "b"), ("c", "1")],
        [("c", 1), ("a", "b")],
        [("a", "b")],
        [("a", "b", "c", 1)],
    ]
    assert state.digest(rows) == state.digest(iter([["a", "b"], ["c", 1]]))
    assert len({state.digest(one) for one in [rows, *others]}) == 6


def test_what_ingest_notes_itself_is_no_input_that_moved(
    loaded: Config, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import steps
    from flows.plan import Step
    from tasks import versioning

    monkeypatch.setattr(versioning, "inputs", lambda root, _name: versioning._signatures(root / "data"))
    for name, kept in (("movie-reviews", {"README.md"}), ("solar-cells", {"README.md", "state.json"})):
        job = steps.Job(root, loaded.datasets[name], None, None)  # type: ignore[arg-type]
        folder = root / "data" / name / "source"
        folder.mkdir(parents=True)
        (folder / "README.md").write_text("x")
        write_json(folder / "state.json", {})
        assert {Path(path).name for path in steps._inputs(Step("ingest", name), job) if name in path} == kept
        assert len([path for path in steps._inputs(Step("register", name), job) if name in path]) == 2


TABLE = {"kind": "table", "path": "reviews.csv", "content": "text", "columns": COLUMNS.model_dump()}
IN_DATABASE = {"kind": "sql", "path": "data/movie-reviews/source", "address": "REVIEWS", "query": "SELECT 1"}
IN_DATABASE |= {"content": "text", "columns": COLUMNS.model_dump()}
IN_STORE = {"kind": "remote", "path": "data/movie-reviews/source", "address": "s3://bucket", "inside": TABLE}


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (IN_DATABASE, ""),
        (IN_STORE, ""),
        (IN_DATABASE | {"querry": "SELECT 1"}, "source.querry: unknown key. Did you mean query?"),
        ({key: IN_DATABASE[key] for key in IN_DATABASE if key != "query"}, "source.query: is missing"),
        (IN_DATABASE | {"content": "texts"}, "source.content: Input should be 'text' or 'path'"),
        (IN_STORE | {"inside": TABLE | {"kind": "tabel"}}, "source.inside: Input tag 'tabel' found"),
        (IN_STORE | {"inside": IN_STORE}, "source.inside: Input tag 'remote' found"),
        (IN_STORE | {"inside": TABLE | {"colums": {}}}, "source.inside.colums: unknown key. Did you mean columns?"),
    ],
)
def test_a_fault_of_the_section_is_told_with_its_path(
    tmp_path: Path, repository: Path, section: dict[str, Any], told: str
) -> None:
    content = configuration.read_yaml(repository / "params.yaml")
    content["datasets"]["movie-reviews"]["ingest"] |= {"source": section}
    (tmp_path / "params.yaml").write_text(json.dumps(content))
    if not told:
        assert configuration.load(tmp_path).datasets["movie-reviews"].ingest.source.kind == section["kind"]
        return
    with pytest.raises(ConfigError) as error:
        configuration.load(tmp_path)
    assert f"datasets.movie-reviews.ingest.{told}" in str(error.value)
