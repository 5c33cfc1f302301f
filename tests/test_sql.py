"""A database as the source: which rows are found, what is told when it fails, and that its password is not."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks import sources
from tasks.errors import SourceError, UnreachableError
from tasks.ingest import ingest
from tasks.schema import AnyDataset, Columns, SqlSource
from tasks.sources import Refused, Sample, sql
from tasks.workspace import Workspace, file_hashes, read_json

ADDRESS = "REVIEWS_DATABASE"
SECRET = "hunter2-is-long"  # noqa: S105 - of no database
COLUMNS = {"content": "body", "label": "stars", "group": None, "split": None, "confidence": None}
ROWS = [(f"text number {number}", ("good", "bad")[number % 2], f"author {number // 2}") for number in range(40)]


def source(query: str = "SELECT body, stars, author FROM reviews", content: str = "text", **columns: Any) -> SqlSource:
    named = Columns(**COLUMNS | columns)
    path = Path("data/reviews/source")
    return SqlSource(kind="sql", path=path, address=ADDRESS, query=query, content=content, columns=named)


def fill(path: Path, rows: list[tuple[Any, ...]]) -> None:
    """Put rows (body, stars, author) into a new table `reviews`, in their order."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE IF EXISTS reviews")
        database.execute("CREATE TABLE reviews (body, stars, author)")
        database.executemany("INSERT INTO reviews VALUES (?, ?, ?)", rows)


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database of 40 texts, whose address holds a password that SQLite ignores."""
    path = tmp_path / "reviews.db"
    fill(path, ROWS)
    monkeypatch.setenv(ADDRESS, f"sqlite:///file:{path}?uri=true&password={SECRET}")
    return path


@pytest.fixture
def texts(tiny_dataset: Any) -> AnyDataset:
    """A data set that takes the reviews from the database."""
    split = {"ingest.split.validation": 0.2, "ingest.split.test": 0.2}
    changes = {"name": "reviews", "ingest.source": source(), "ingest.refused_share": 0.2}
    dataset: AnyDataset = tiny_dataset("movie-reviews", changes | split)
    return dataset


def find(one: SqlSource, root: Path) -> list[Sample | Refused]:
    return sources.source("sql").find(one, root, root)


def state(root: Path) -> Any:
    return read_json(root / "data/reviews/source/state.json")


def test_each_row_is_a_sample(database: Path, root: Path) -> None:
    found = find(source(group="author"), root)
    assert sorted((one.content, one.label, one.group) for one in found if isinstance(one, Sample)) == sorted(ROWS)
    assert {one.name for one in found} == {f"query row {number}" for number in range(1, 41)}


def test_rows_are_numbered_as_the_query_orders_them(database: Path, root: Path) -> None:
    found = find(source("SELECT body, stars FROM reviews ORDER BY body DESC"), root)
    by_name = {one.name: one.content for one in found if isinstance(one, Sample)}
    assert by_name["query row 1"] == "text number 9"
    assert by_name["query row 40"] == "text number 0"


def test_values_become_text_and_null_nothing(database: Path, root: Path) -> None:
    fill(database, [("a", 3, None), ("b", 0.1, b"caf\xc3\xa9"), ("c", None, b"\xff"), ("d", 10**20 / 7, "")])
    found = [one for one in find(source(group="author"), root) if isinstance(one, Sample)]
    assert [one.label for one in found] == ["3", "0.1", "", str(10**20 / 7)]
    assert [one.group for one in found] == ["", "café", "\udcff", ""]


def test_every_row_is_used_refused_or_a_duplicate(database: Path, root: Path, texts: AnyDataset) -> None:
    odd = [("text number 3", "bad", ""), ("lone", None, ""), (None, "good", ""), (b"\xff\xfe", "good", "")]
    fill(database, [*ROWS, *odd, ("torn", "good", ""), ("torn", "bad", "")])
    ingest(texts, Workspace(root, "reviews"))
    counted = Workspace(root, "reviews").counters("ingest")
    assert [counted[key] for key in ("read", "used", "refused", "duplicates")] == [46, 40, 5, 1]
    refused = pd.read_csv(root / "data/reviews/raw/refused.csv")
    assert refused["name"].str.match(r"query row \d+$").all()
    assert set(refused["reason"]) > {
        "has no label",
        "is an empty text",
        "holds half a surrogate pair: it was cut or decoded wrongly",
    }


def test_the_order_of_the_answer_does_not_matter(database: Path, root: Path, texts: AnyDataset) -> None:
    workspace = Workspace(root, "reviews")
    double = [*ROWS, ("text number 0", "good", "another")]
    fill(database, double)
    ingest(texts, workspace)
    before, held = file_hashes(workspace.raw), state(root)
    fill(database, double[::-1])
    ingest(texts, workspace)
    assert file_hashes(workspace.raw) == before
    assert state(root) == held


def test_nor_does_it_where_the_query_orders_by_something_else(database: Path, root: Path) -> None:
    double = [*ROWS, *((body, stars, f"{author} again") for body, stars, author in ROWS)]
    ordered, answers, notes = source("SELECT * FROM reviews ORDER BY stars", group="author"), [], []
    for rows in (double, double[::-1]):
        fill(database, rows)
        answers.append([one._replace(name="") for one in find(ordered, root)])
        notes.append(state(root))
    assert answers[0] == answers[1]
    assert notes[0] == notes[1]


@pytest.mark.parametrize("value", ["body", "stars"])
def test_a_changed_row_is_noticed(database: Path, root: Path, value: str) -> None:
    sql.look(source(), root)
    before = state(root)
    assert before["rows"] == 40
    with closing(sqlite3.connect(database)) as changed, changed:
        changed.execute(f"UPDATE reviews SET {value} = 'x' WHERE rowid = 7")  # noqa: S608 - of the two above
    sql.look(source(), root)
    assert state(root)["rows"] == 40
    assert state(root) != before


def test_what_the_columns_do_not_name_makes_nothing_stale(database: Path, root: Path) -> None:
    sql.look(source(), root)
    note = root / "data/reviews/source/state.json"
    before = note.stat().st_mtime_ns, note.stat().st_ino
    with closing(sqlite3.connect(database)) as changed, changed:
        changed.execute("UPDATE reviews SET author = 'somebody'")
    sql.look(source(), root)
    assert (note.stat().st_mtime_ns, note.stat().st_ino) == before


def test_ingest_notes_what_it_read_itself(database: Path, root: Path, texts: AnyDataset) -> None:
    sql.look(source(), root)
    fill(database, ROWS[:30])
    ingest(texts, Workspace(root, "reviews"))
    read = state(root)
    sql.look(source(), root)
    assert state(root) == read
    assert read["rows"] == 30


def test_a_broken_note_is_written_anew(database: Path, root: Path) -> None:
    sql.look(source(), root)
    before = state(root)
    (root / "data/reviews/source/state.json").write_text("{")
    sql.look(source(), root)
    assert state(root) == before


def test_rows_can_name_files_below_the_folder(database: Path, root: Path) -> None:
    folder = root / "data/reviews/source"
    folder.mkdir(parents=True)
    (folder / "a.wav").write_bytes(b"x")
    fill(database, [("a.wav", "good", ""), ("b.wav", "good", ""), ("", "good", ""), ("../../../x", "good", "")])
    found = find(source(content="path"), root)
    assert [one.content for one in found if isinstance(one, Sample)] == [folder / "a.wav"]
    reasons = {one.reason for one in found if isinstance(one, Refused)}
    assert reasons == {"there is no such file", "names no file", "leads out of the source's folder"}


def test_a_query_is_passed_on_as_it_stands(database: Path, root: Path) -> None:
    query = "SELECT body || ' 100%s :word' AS body, stars FROM reviews WHERE body LIKE '%1' AND '10:30' < '11:00'"
    found = find(source(query), root)
    assert {one.content for one in found} == {f"text number {number} 100%s :word" for number in (1, 11, 21, 31)}


def test_a_driver_is_given_no_parameters(database: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.engine.default import DefaultDialect

    given: list[tuple[Any, ...]] = []

    def execute(_self: Any, cursor: Any, *rest: Any) -> None:
        given.append(rest[:-1])
        cursor.execute(*rest[:-1])

    # With none, not even an empty list, drivers that know "%s" leave a "%" alone.
    for name in ("do_execute", "do_execute_no_params"):
        monkeypatch.setattr(DefaultDialect, name, execute)
    find(source(), root)
    assert given[-1] == (source().query,)


def test_a_query_cannot_change_the_database(database: Path, root: Path) -> None:
    find(source("DELETE FROM reviews RETURNING body, stars"), root)
    assert len(find(source(), root)) == 40


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("SELECT body FROM reviews", "the query has no column stars; there are: body"),
        ("SELECT * FROM revews", "the query failed (no such table: revews); mend ingest.source.query"),
        ("SELEC *", 'the query failed (near "SELEC": syntax error); mend ingest.source.query'),
        ("SELECT body, stars FROM reviews WHERE 1 = 0", "the query answered without a row; mend ingest.source.query"),
        ("DELETE FROM reviews", "the query answers no rows; write a SELECT into ingest.source.query"),
        ("SELECT 1; SELECT 2", "the query failed (You can only execute one statement at a time.)"),
    ],
)
def test_a_query_that_is_no_good(database: Path, root: Path, query: str, told: str) -> None:
    with pytest.raises(SourceError) as error:
        find(source(query), root)
    assert str(error.value).startswith(f"{ADDRESS}: {told}")
    assert not isinstance(error.value, UnreachableError)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("", "this environment variable is not set; let it hold an address such as postgresql://user:password@host/na"),
        (SECRET, "what this environment variable holds is not an address such as"),
        (f"postgresql://me:{SECRET}@host:five/name", "what this environment variable holds is not an address such as"),
        (f"oracel://me:{SECRET}@host/name", "no database is called oracel; mend the address"),
        (f"firebird+nothing://me:{SECRET}@host/name", "no database is called firebird+nothing; mend the address"),
        (f"mssql+pymssql://me:{SECRET}@host/name", "its driver pymssql is not installed; install the package that"),
        (f"sqlite://me:{SECRET}@host/{{folder}}/reviews.db", "is no usable address (Invalid SQLite URL:"),
        ("sqlite:///{folder}/nowhere.db", "there is no database file {folder}/nowhere.db"),
        (
            f"sqlite:///file:{{folder}}/nowhere.db?mode=ro&uri=true&password={SECRET}",
            "the database cannot be reached (unable to open database file); try again, or mend it",
        ),
    ],
)
def test_an_address_that_is_no_good(
    database: Path, root: Path, monkeypatch: pytest.MonkeyPatch, address: str, told: str
) -> None:
    monkeypatch.setenv(ADDRESS, address.format(folder=database.parent))
    with pytest.raises(SourceError) as error:
        find(source(), root)
    assert str(error.value).startswith(f"{ADDRESS}: {told.format(folder=database.parent)}")
    assert "\n" not in str(error.value)
    assert SECRET not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
    assert not (database.parent / "nowhere.db").exists()


def test_an_address_in_params_yaml_is_not_repeated(root: Path) -> None:
    pasted = source().model_copy(update={"address": f"postgresql://me:{SECRET}@host/name"})
    with pytest.raises(SourceError, match="must name an environment variable") as error:
        find(pasted, root)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("written", ["p@ss/word%1", "p%40ss%2Fword%251", "p%40ss/word%251"])
def test_a_driver_that_tells_the_password(
    database: Path, root: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    def connect(*_: Any, **__: Any) -> None:
        raise ConnectionError(f"no answer\nfrom host (password='{written}' user=me)")

    monkeypatch.setenv(ADDRESS, "sqlite:///file:x?uri=true&password=p%40ss%2Fword%251")
    monkeypatch.setattr("sqlalchemy.Engine.connect", connect)
    with pytest.raises(UnreachableError) as error:
        find(source(), root)
    told = "(no answer from host (password='***' user=me)); try again, or mend it"
    assert str(error.value) == f"{ADDRESS}: the database cannot be reached {told}"


def test_a_wrong_password_is_not_tried_again(database: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: Any, **__: Any) -> None:
        raise OSError('FATAL: password authentication failed for user "me"')

    monkeypatch.setattr("sqlalchemy.Engine.connect", connect)
    with pytest.raises(SourceError, match="password authentication failed") as error:
        find(source(), root)
    assert not isinstance(error.value, UnreachableError)
