import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from torch import nn
from trained import LABELS, TEXTS, write_model

from tasks import modalities
from tasks.errors import BadSample, RegistryError, SourceError
from tasks.neural import inference
from tasks.predict import Predictor, answers
from tasks.schema import FolderSource
from tasks.sources.inputs import Question, read_inputs


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model"), "colours-head")


@pytest.fixture(scope="module")
def predictor(model: Path) -> Predictor:
    return Predictor.load(model)


def asked(arguments: list[str], modality: str) -> list[tuple[str, object]]:
    return [
        (name, str(content) if isinstance(content, BadSample) else content)
        for name, content in read_inputs(arguments, modality)
    ]


def test_every_content_gets_a_row_in_its_place(predictor: Predictor) -> None:
    answered = predictor.answer(["red amber", "", b"blue teal", b"\xff\xfe", BadSample("is gone", "bring it back")])
    assert list(answered["refused"]) == [
        "", "is empty", "", "is UTF-16, not UTF-8", "is gone",
    ]  # fmt: skip
    assert list(answered["answer"].notna()) == [True, False, True, False, False]
    assert set(answered["answer"].dropna()) <= set(LABELS)
    assert answered["confidence"].dropna().between(0.5, 1).all()


def test_an_answer_does_not_depend_on_its_neighbours(predictor: Predictor) -> None:
    together = predictor.answer(TEXTS)
    alone = pd.concat([predictor.answer([text]) for text in TEXTS], ignore_index=True)
    assert list(together["answer"]) == list(alone["answer"])
    np.testing.assert_allclose(together["confidence"], alone["confidence"], atol=1e-5)


def test_nothing_usable_is_no_accident(predictor: Predictor) -> None:
    assert list(predictor.answer(["", " "])["refused"]) == ["is empty", "is empty"]
    assert len(predictor.answer([])) == 0


def test_a_long_list_is_answered_piece_by_piece(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.predict.AT_ONCE", 4)
    questions = [Question(f"line {number}", text) for number, text in enumerate([*TEXTS, ""] * 2)]
    parts = list(answers(predictor, iter(questions)))
    assert max(len(part) for part in parts) == 4
    whole = pd.concat(parts, ignore_index=True)
    assert list(whole["name"]) == [question.name for question in questions]
    assert (whole["refused"] != "").sum() == 2


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="no model directory"):
        Predictor.load(tmp_path)


def test_a_folder_is_read_with_all_below_it(pictures: FolderSource, root: Path) -> None:
    (root / "pictures" / ".hidden.png").write_bytes(b"")
    (root / "pictures" / "notes.md").write_text("no picture")
    names = [name for name, _ in asked([str(root / "pictures")], "image")]
    assert len(names) == 36
    assert names == sorted(names)


def test_a_single_file_is_asked_whatever_its_suffix(root: Path) -> None:
    (root / "note.md").write_text("a fine film")
    assert asked([str(root / "note.md")], "text") == [(str(root / "note.md"), b"a fine film")]


@pytest.mark.parametrize(
    ("name", "write_table"),
    [
        ("t.csv", lambda table, path: table.to_csv(path, index=False)),
        ("t.tsv", lambda table, path: table.to_csv(path, index=False, sep="\t")),
        ("t.jsonl", lambda table, path: table.to_json(path, orient="records", lines=True)),
        ("t.parquet", lambda table, path: table.to_parquet(path, index=False)),
    ],
)
def test_a_table_of_texts(root: Path, name: str, write_table: Callable[[pd.DataFrame, Path], None]) -> None:
    write_table(pd.DataFrame({"id": [1, 2], "text": ["a fine film", "a poor film"]}), root / name)
    found = asked([str(root / name)], "text")
    assert [content for _, content in found] == ["a fine film", "a poor film"]
    assert all(question.startswith(f"{name} row ") for question, _ in found)


def test_a_table_of_paths_goes_on_behind_a_missing_file(pictures: FolderSource, root: Path) -> None:
    pd.DataFrame({"path": ["pictures/red/00.png", "pictures/red/99.png", "pictures/red/01.png"]}).to_csv(
        root / "some.csv", index=False
    )
    found = asked([str(root / "some.csv")], "image")
    assert [name for name, _ in found][1] == "some.csv row 3: pictures/red/99.png"
    assert found[1][1] == "cannot be read (No such file or directory)"
    assert isinstance(found[2][1], bytes)


def test_standard_input_is_a_text_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a fine film\na poor film\n"))
    assert asked(["-"], "text") == [("line 1", "a fine film"), ("line 2", "a poor film")]


@pytest.mark.parametrize(
    ("arguments", "modality", "told"),
    [
        (["nowhere.png"], "image", "nowhere.png: there is no such file or folder"),
        (["."], "image", "holds no image file"),
        (["-"], "audio", "name files of audio"),
        (["labels.csv"], "text", "no column text or path; there are: id, label"),
    ],
)
def test_what_cannot_be_asked_is_told_before_anything_is(
    root: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], modality: str, told: str
) -> None:
    monkeypatch.chdir(root)
    pd.DataFrame({"id": [1], "label": ["a"]}).to_csv("labels.csv", index=False)
    with pytest.raises(SourceError, match=told):
        read_inputs(arguments, modality)


def test_a_file_that_takes_its_decoder_down_costs_its_own_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setitem(modalities.DECODERS, "image", "crashing")
    monkeypatch.setattr(inference, "compute", lambda network, samples, rows, *_: np.zeros((len(rows), 2), np.float32))
    about = {"modality": "image", "objective": "classification", "preprocess": {}, "facts": {"labels": ["cat", "dog"]}}
    questions = [Question(name, name.encode()) for name in ("fine", "signal 11", "also fine")]
    told = pd.concat(answers(Predictor(tmp_path, about, nn.Identity()), questions))
    assert told["name"].tolist() == ["fine", "signal 11", "also fine"]
    assert told["refused"].tolist() == ["", "the decoder crashed on it (signal 11)", ""]
    assert told["answer"].notna().tolist() == [True, False, True]
