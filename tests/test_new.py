"""`transfer new`: what is proposed and why, what is written, and every mistake answered in a line."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import COLOURS, write_picture, write_sound
from project import write_texts

from flows import newcomer
from tasks import config, params_datasets
from tasks.config import read_yaml
from tasks.errors import ConfigError, SourceError, TransferError
from tasks.inspection import look
from tasks.inspection.request import Request
from tasks.yaml_text import as_lines

NOTHING = dict.fromkeys(("modality", "objective", "label", "content", "group", "query", "backbone"))


@pytest.fixture
def project(root: Path, repository: Path) -> Path:
    """The project's own params.yaml, and nothing else of it: no backbone to be measured."""
    (root / "params.yaml").write_bytes((repository / "params.yaml").read_bytes())
    return root


def asked(root: Path, address: str, name: str = "birds", **options: str | None) -> Request:
    return Request(root, name, address, **(NOTHING | options))


def birds(root: Path, each: int = 12, classes: tuple[str, ...] = ("heron", "coot")) -> None:
    for kind, name in enumerate(classes):
        for number in range(each):
            write_picture(
                root / "birds" / name / f"{number}.png", list(COLOURS.values())[kind], 100 * kind + number, 16
            )


def written(root: Path, name: str = "birds") -> dict[str, Any]:
    config.load(root)
    return dict(read_yaml(root / "params.yaml")["datasets"][name])


def proposal(root: Path, address: str, **options: str | None) -> Any:
    return look.at(asked(root, address, **options), read_yaml(root / "params.yaml")).proposal


def test_pictures_become_a_complete_section_and_three_trainings(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    birds(project)
    old = (project / "params.yaml").read_text()
    assert newcomer.new(asked(project, "birds"), yes=True) == 0
    section, content = written(project), read_yaml(project / "params.yaml")
    assert section["ingest"]["source"] == {"kind": "folder", "path": "birds", "table": None, "columns": None}
    assert section["evaluate"]["trainings"] == ["birds-head", "birds-partial", "birds-scratch"]
    assert content["trainings"]["birds-scratch"]["head"] is None
    assert content["trainings"]["birds-partial"]["augment"]["flip_vertical"] == 0.0
    house = content["trainings"]["solar-cells-partial"]
    assert content["trainings"]["birds-partial"]["optimizer"] == house["optimizer"]
    new = (project / "params.yaml").read_text()
    assert [line for line in new.splitlines() if line in set(old.splitlines())][:40] == old.splitlines()[:40]
    without = params_datasets.without(new, params_datasets.entries_of(content, "birds"))
    assert without == old
    told = capsys.readouterr().out
    assert "24 pictures in 2 folders, whose names are the labels" in told
    assert (
        "wrote params.yaml: datasets.birds, trainings.birds-{head,partial,scratch}   next: transfer run birds" in told
    )
    for label in ("found", "classes", "sizes", "duplicates", "groups", "modality", "objective", "split", "backbone"):
        assert f"\n  {label:<11}" in told
    assert "what the shipped data sets took elsewhere" in told


def test_nothing_is_written_where_nobody_can_be_asked(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    birds(project)
    old = (project / "params.yaml").read_bytes()
    with pytest.raises(TransferError, match=r"^nothing is written: nobody can be asked here; to agree, add --yes$"):
        newcomer.new(asked(project, "birds"), yes=False)
    assert (project / "params.yaml").read_bytes() == old
    assert "split" in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("yes", 0), ("", 1), ("n", 1)])
def test_a_terminal_is_asked(project: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int) -> None:
    birds(project)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda *_: answer)
    assert newcomer.new(asked(project, "birds"), yes=False) == code
    assert ("birds" in read_yaml(project / "params.yaml")["datasets"]) == (code == 0)


def test_recordings_named_by_label_and_speaker(project: Path) -> None:
    for digit in range(3):
        for speaker in ("ann", "bob", "cyd", "dan"):
            for take in range(5):
                seed = 1000 * digit + 10 * ord(speaker[0]) + take
                path = project / "digits" / f"{digit}_{speaker}_{take}.wav"
                write_sound(path, 200.0 + 50 * digit, seed, seconds=1.4, rate=8000)
    made = proposal(project, "digits")
    assert made.dataset["ingest"]["source"]["pattern"] == "{label}_{group}_*"
    assert made.dataset["ingest"]["split"]["by"] == "group"
    assert made.dataset["preprocess"]["window_seconds"] == 2
    assert all(made.counts.values()) and sum(made.counts.values()) == 60
    assert made.dataset["evaluate"]["bootstrap"]["by"] == "sample"
    assert any("only 1 of the groups in the test" in text for _, text in made.reasons)


def texts(root: Path, rows: list[str]) -> Path:
    path = root / "own.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_numbers_become_a_regression_with_its_loss_and_strengths(project: Path) -> None:
    rows = [f"a film number {number} of some length,{number / 7:.3f}" for number in range(200)]
    texts(project, ["text,score", *rows])
    made = proposal(project, "own.csv")
    assert made.dataset["objective"] == "regression" and made.dataset["evaluate"]["metric"] == "r2"
    assert made.trainings["birds-partial"]["loss"]["kind"] == "squared_error"
    assert made.trainings["birds-partial"]["monitor"] == "r2"
    house = read_yaml(project / "params.yaml")["trainings"]["movie-scores-head"]
    assert made.trainings["birds-head"]["head"] == house["head"]
    newcomer.new(asked(project, "own.csv"), yes=True)
    assert written(project)["objective"] == "regression"


def test_the_same_numbers_are_classes_if_the_user_says_so(project: Path) -> None:
    texts(project, ["text,score", *(f"a film {number} again,{number % 30}" for number in range(300))])
    assert proposal(project, "own.csv").dataset["objective"] == "regression"
    assert proposal(project, "own.csv", objective="classification").dataset["objective"] == "classification"


def test_classes_of_very_different_size_are_compared_by_balanced_accuracy(project: Path) -> None:
    rows = [f"some words {number},{'rare' if number % 10 == 0 else 'common'}" for number in range(200)]
    texts(project, ["text,label", *rows])
    made = proposal(project, "own.csv")
    assert made.dataset["evaluate"]["metric"] == "balanced_accuracy"
    assert made.trainings["birds-partial"]["monitor"] == "balanced_accuracy"


@pytest.mark.parametrize(("words", "tokens"), [(5, 32), (60, 96), (900, 256)])
def test_so_many_tokens_are_kept_as_most_texts_have(project: Path, words: int, tokens: int) -> None:
    rows = [f"{number} {'word ' * words},{'ab'[number % 2]}" for number in range(60)]
    texts(project, ["text,label", *rows])
    assert proposal(project, "own.csv").dataset["preprocess"]["tokens"] == tokens


def test_the_split_is_the_one_that_ingest_makes_of_it(project: Path) -> None:
    from tasks.ingest import ingest
    from tasks.workspace import Workspace

    write_texts(project / "own.csv", 150)
    made = proposal(project, "own.csv")
    newcomer.new(asked(project, "own.csv"), yes=True)
    workspace = Workspace(project, "birds")
    ingest(config.load(project).datasets["birds"], workspace)
    counted = workspace.counters("ingest")
    assert made.counts == {name: counted[name] for name in ("train", "validation", "test")}


def test_a_column_of_splits_is_kept(project: Path) -> None:
    parts = ["train"] * 30 + ["validation"] * 10 + ["test"] * 20
    texts(project, ["text,label,part", *(f"words {n} {n},{'ab'[n % 2]},{part}" for n, part in enumerate(parts))])
    made = proposal(project, "own.csv")
    assert made.dataset["ingest"]["split"] == {"kind": "column"}
    assert made.counts == {"train": 30, "validation": 10, "test": 20}


def test_a_salt_is_sought_by_which_every_class_is_in_every_split(project: Path) -> None:
    rows = [f"words {number} here,{'rare' if number % 20 == 0 else 'common'}" for number in range(100)]
    texts(project, ["text,label", *rows])
    made = proposal(project, "own.csv")
    salt = made.dataset["ingest"]["split"]["salt"]
    assert salt.startswith("birds-")
    assert any(f"salt {salt}: the first of birds, birds-2" in text for _, text in made.reasons)


def test_unreadable_samples_raise_the_bearable_share(project: Path) -> None:
    birds(project, each=10)
    (project / "birds/coot/broken.png").write_bytes(b"no picture")
    (project / "birds/coot/empty.png").touch()
    made = proposal(project, "birds")
    assert made.dataset["ingest"]["refused_share"] == 0.06  # 1 of 22 is 4.5 %
    assert made.dataset["preprocess"]["refused_share"] == 0.06  # 1 of 21 opened


def test_a_section_stays_whole_without_the_one_it_was_made_after(project: Path) -> None:
    birds(project)
    newcomer.new(asked(project, "birds"), yes=True)
    text = (project / "params.yaml").read_text()
    own = text[text.index("  birds:\n") : text.index("\ntrainings:")] + text[text.index("  birds-head:\n") :]
    own = own.partition("\nsearches:")[0]
    assert "birds-scratch" in own and "*" not in own and "&" not in own and "<<" not in own


def test_a_database_is_read_by_its_query_and_its_address_is_kept_out(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite3.connect(project / "reviews.db") as database:
        database.execute("CREATE TABLE reviews (body TEXT, stars INTEGER)")
        rows = [(f"a film number {number}", number % 2) for number in range(60)]
        database.executemany("INSERT INTO reviews VALUES (?, ?)", rows)
    monkeypatch.setenv("REVIEWS_DATABASE", f"sqlite:///{project}/reviews.db")
    made = proposal(project, "REVIEWS_DATABASE", query="SELECT body, stars FROM reviews")
    columns = {"content": "body", "label": "stars", "group": None, "split": None, "confidence": None}
    assert made.dataset["ingest"]["source"] == {
        "kind": "sql", "path": "data/birds/source", "address": "REVIEWS_DATABASE",
        "query": "SELECT body, stars FROM reviews", "content": "text", "columns": columns,
    }  # fmt: skip
    assert "sqlite" not in as_lines(made.dataset)
    with pytest.raises(SourceError, match=r"REVIEWS_DATABASE: the query cannot be asked \(no such table: none\)"):
        proposal(project, "REVIEWS_DATABASE", query="SELECT * FROM none")


def test_another_store_is_read_by_its_names(project: Path) -> None:
    birds(project / "store")
    made = proposal(project, f"file://{project}/store/birds")
    inside = {"kind": "folder", "path": ".", "table": None, "columns": None}
    assert made.dataset["ingest"]["source"] == {
        "kind": "remote", "path": "data/birds/source", "address": f"file://{project}/store/birds", "inside": inside,
    }  # fmt: skip
    assert sum(made.counts.values()) == 24
    (project / "store/birds/labels.csv").write_text("file,label\n" + "".join(
        f"{kind}/{number}.png,{kind}\n" for kind in ("heron", "coot") for number in range(12)
    ))  # fmt: skip
    by_table = proposal(project, f"file://{project}/store/birds").dataset["ingest"]["source"]["inside"]
    assert (by_table["kind"], by_table["table"], by_table["columns"]["content"]) == ("folder", "labels.csv", "file")
    write_texts(project / "store/texts.csv", 60)
    of_texts = proposal(project, f"file://{project}/store/texts.csv").dataset
    assert of_texts["modality"] == "text"
    assert of_texts["ingest"]["source"]["address"] == f"file://{project}/store"
    assert of_texts["ingest"]["source"]["inside"]["path"] == "texts.csv"


@pytest.mark.parametrize("address", ["file:///none/at/all", "nosuch://bucket/x"])
def test_a_store_that_is_not_there_is_told(project: Path, address: str) -> None:
    with pytest.raises(SourceError, match=f"^{address}: "):
        proposal(project, address)


MISTAKES: dict[str, tuple[dict[str, str], str]] = {
    "a name with a space": ({"name": "my birds"}, r"'my birds' is no name: write letters, digits, - and _ only"),
    "a name with an at": ({"name": "a@b"}, r"'a@b' is no name"),
    "a name with a slash": ({"name": "a/b"}, r"'a/b' is no name"),
    "an empty name": ({"name": ""}, r"'' is no name"),
    "a name that is taken": ({"name": "solar-cells"}, r"data set solar-cells already.*transfer remove solar-cells"),
    "a name whose training is taken": ({"name": "solar-cells-random"}, r"has a data set solar-cells-random already"),
    "a modality that is none": ({"modality": "video"}, r"--modality video: there are image, text, audio"),
    "an objective that is none": ({"objective": "ranking"}, r"--objective ranking: there are classification, regr"),
    "a backbone that is none": ({"backbone": "resnet"}, r"--backbone resnet: there are efficientnet-lite0, "),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_before_anything_is_looked_at(project: Path, case: str) -> None:
    options, told = MISTAKES[case]
    old = (project / "params.yaml").read_bytes()
    request = asked(project, "nowhere", **({"name": "birds"} | options))
    with pytest.raises(ConfigError, match=told) as error:
        newcomer.new(request, yes=True)
    assert "\n" not in str(error.value)
    assert (project / "params.yaml").read_bytes() == old


UNFIT: dict[str, tuple[Callable[[Path], object], str]] = {
    "one class": (lambda root: texts(root, ["text,label", *(f"words {n} x,a" for n in range(30))]), "no column looks"),
    "a class for each": (
        lambda root: texts(root, ["text,label", *(f"words {n} x,a{n}" for n in range(30))]),
        r"30 different labels for 30 samples: nothing repeats",
    ),
    "too few": (
        lambda root: texts(root, ["text,label", "some words,a", "other words,b"]),
        r"2 usable samples are too few|nothing repeats",
    ),
    "hardly a row with a label": (
        lambda root: texts(root, ["text,label", *(f"words {n} x," for n in range(9)), "words y x,b"]),
        r"most of 10 samples cannot be used, the first own\.csv row 2: has no label",
    ),
}


@pytest.mark.parametrize("case", UNFIT)
def test_data_that_nothing_can_be_learnt_from_is_told(project: Path, case: str) -> None:
    make, told = UNFIT[case]
    make(project)
    with pytest.raises(SourceError, match=told) as error:
        newcomer.new(asked(project, "own.csv"), yes=True)
    assert "\n" not in str(error.value)
    assert "birds" not in read_yaml(project / "params.yaml")["datasets"]


def test_without_a_recipe_of_the_modality_it_says_where_one_is(project: Path) -> None:
    write_sound(project / "own/low/1.wav", 220.0, 1)
    write_sound(project / "own/high/1.wav", 880.0, 1)
    content, text = read_yaml(project / "params.yaml"), (project / "params.yaml").read_text()
    text = params_datasets.without(text, params_datasets.entries_of(content, "mandarin-tones"))
    (project / "params.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"no data set of modality audio with a training of strategy partial"):
        proposal(project, "own")


def test_the_study_has_a_recipe_where_the_file_has_none(project: Path, repository: Path) -> None:
    content, text = read_yaml(project / "params.yaml"), (project / "params.yaml").read_text()
    text = params_datasets.without(text, params_datasets.entries_of(content, "mandarin-tones"))
    (project / "params.yaml").write_text(text)
    (project / "study").mkdir()
    (project / "study/params.yaml").write_bytes((repository / "study/params.yaml").read_bytes())
    for number in range(30):
        write_sound(project / "own" / ("low", "high")[number % 2] / f"{number}.wav", 220.0, number)
    newcomer.new(asked(project, "own"), yes=True)
    rates = read_yaml(repository / "study/params.yaml")["trainings"]["mandarin-tones-scratch"]["learning_rates"]
    assert read_yaml(project / "params.yaml")["trainings"]["birds-scratch"]["learning_rates"] == rates
    assert written(project)["modality"] == "audio"


def test_a_class_that_is_never_learnt_stops(project: Path) -> None:
    parts = ["train"] * 30 + ["validation"] * 10 + ["test"] * 10
    rows = [f"words {n} {n},{'c' if n == 45 else 'ab'[n % 2]},{part}" for n, part in enumerate(parts)]
    texts(project, ["text,label,part", *rows])
    with pytest.raises(SourceError, match=r"1 classes have no sample in the train split, such as 'c'"):
        proposal(project, "own.csv")


def test_a_class_of_one_is_put_where_it_is_learnt(project: Path) -> None:
    rows = [f"words {n} {n},{'rare' if n == 7 else 'ab'[n % 2]}" for n in range(60)]
    texts(project, ["text,label", *rows])
    look.at(asked(project, "own.csv"), read_yaml(project / "params.yaml"))


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        (["x", "y"], "2 groups are too few for three splits, so groups lie in several splits, which flatters"),
        (["x", "y", "z", ""], "20 samples have no group, so groups lie in several splits, which flatters"),
    ],
)
def test_groups_that_cannot_be_kept_whole_are_told(project: Path, groups: list[str], told: str) -> None:
    rows = [f"words {n} {n},{'ab'[n // 4 % 2]},{groups[n % len(groups)]}" for n in range(80)]
    texts(project, ["text,label,speaker", *rows])
    made = proposal(project, "own.csv", group="speaker")
    assert made.dataset["ingest"]["split"]["by"] == "sample"
    assert made.dataset["evaluate"]["bootstrap"]["by"] == "sample"
    assert any(told in text for _, text in made.reasons)


def test_folders_of_splits_are_ingested_as_they_are(project: Path) -> None:
    from tasks.ingest import ingest
    from tasks.workspace import Workspace

    sizes = {"train": 8, "val": 4, "test": 4}
    for seed, (part, count) in enumerate(sizes.items()):
        for number in range(count):
            name = ("heron", "coot")[number % 2]
            write_picture(project / "own" / part / name / f"{number}.png", COLOURS["red"], 100 * seed + number, 16)
    newcomer.new(asked(project, "own"), yes=True)
    assert written(project)["ingest"]["split"] == {"kind": "column"}
    workspace = Workspace(project, "birds")
    ingest(config.load(project).datasets["birds"], workspace)
    counted = workspace.counters("ingest")
    assert (counted["train"], counted["validation"], counted["test"]) == (8, 4, 4)
