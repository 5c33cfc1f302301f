"""params.yaml changed in its text: what is asked for, and not a character more."""

import json
from pathlib import Path
from typing import Any

import pytest
from project import PARAMS
from ruamel.yaml import YAML

from tasks import config, params_datasets, params_file
from tasks.config import read_yaml
from tasks.errors import ConfigError
from tasks.params_file import append, insert, remove
from tasks.yaml_text import as_block, as_lines, scalar

PUT = {
    "behind the last one": (
        "trainings:\n  a:\n    x: 1\n",
        "trainings:\n  a:\n    x: 1\n  new:\n    x: 2\n",
    ),
    "before the next section, behind comments of its own": (
        "trainings:\n  a: &a\n    x: 1  # one\n    # of a\n  # of trainings\n\n# of more\nmore:\n  b: *a\n",
        "trainings:\n  a: &a\n    x: 1  # one\n    # of a\n  # of trainings\n"
        "  new:\n    x: 2\n\n# of more\nmore:\n  b: *a\n",
    ),
    "behind an alias": (
        "a: &a {x: 1}\ntrainings:\n  b: *a\n\nmore: 1\n",
        "a: &a {x: 1}\ntrainings:\n  b: *a\n  new:\n    x: 2\n\nmore: 1\n",
    ),
    "behind a merge key": (
        "trainings:\n  a: &a {x: 1}\n  b: {<<: *a, y: 2}\nmore: 1\n",
        "trainings:\n  a: &a {x: 1}\n  b: {<<: *a, y: 2}\n  new:\n    x: 2\nmore: 1\n",
    ),
    "with an empty line where others have one": (
        "trainings:\n  a:\n    x: 1\n\n  b:\n    x: 1\n\nmore: 1\n",
        "trainings:\n  a:\n    x: 1\n\n  b:\n    x: 1\n\n  new:\n    x: 2\n\nmore: 1\n",
    ),
    "behind a text of many lines": (
        "trainings:\n  a: |\n    one\n    # no comment\n\n\nmore: 1\n",
        "trainings:\n  a: |\n    one\n    # no comment\n  new:\n    x: 2\n\n\nmore: 1\n",
    ),
    "without a last line end": ("trainings:\n  a: {x: 1}", "trainings:\n  a: {x: 1}\n  new:\n    x: 2\n"),
    "with the line ends of Windows": (
        "trainings:\r\n  a:\r\n    x: 1  # one\r\n\r\nmore: 1\r\n",
        "trainings:\r\n  a:\r\n    x: 1  # one\r\n  new:\r\n    x: 2\r\n\r\nmore: 1\r\n",
    ),
    "indented as the others": (
        "trainings:\n    a:\n      x: 1\nmore: 1\n",
        "trainings:\n    a:\n      x: 1\n    new:\n      x: 2\nmore: 1\n",
    ),
    "in the place of its like": (
        "trainings:\n  # above\n  new: {x: 1,\n        y: 1}  # old\n    # of new\n  # of b\n  b: {x: 3}\n",
        "trainings:\n  # above\n  new:\n    x: 2\n  # of b\n  b: {x: 3}\n",
    ),
    "into an empty section": (
        "trainings: {}   # none yet\nmore: 1\n",
        "trainings:   # none yet\n  new:\n    x: 2\nmore: 1\n",
    ),
    "into a section without a value": ("trainings:\n# m\nm: 1\n", "trainings:\n  new:\n    x: 2\n# m\nm: 1\n"),
    "into a section that is not there": ("more: 1  # one", "more: 1  # one\n\ntrainings:\n  new:\n    x: 2\n"),
    "with letters beyond ASCII before it": (
        "a: é\u2028ß  # \x85\ntrainings:\n  b: {x: 1}\n",
        "a: é\u2028ß  # \x85\ntrainings:\n  b: {x: 1}\n  new:\n    x: 2\n",
    ),
}  # fmt: skip

GONE = {
    "the only one": ("trainings:  # all\n  old:\n    x: 1\nmore: 1\n", "trainings: {}  # all\nmore: 1\n"),
    "with the comments in it": (
        "trainings:\n  a: 1\n  old:  # why\n    # found\n    x: 1\n    # end\n  # of b\n  b: 2\n",
        "trainings:\n  a: 1\n  # of b\n  b: 2\n",
    ),
    "and one of two empty lines": (
        "trainings:\n  a: 1\n\n  old: {x: 1}\n\n  b: 2\n",
        "trainings:\n  a: 1\n\n  b: 2\n",
    ),
    "at the end of the file": ("trainings:\r\n  a: 1\r\n  old: {x: 1}", "trainings:\r\n  a: 1\r\n"),
}

LONGER = {
    "in brackets": ("a: {list: [x, y]}  # two\n", "a: {list: [x, y, new]}  # two\n"),
    "in brackets over lines": ("a:\n  list: [x,\n    y,  # why\n  ]\n", "a:\n  list: [x,\n    y, new,  # why\n  ]\n"),
    "with dashes": ("a:\n  list:\n  - x\n  - y  # why\nb: 1\n", "a:\n  list:\n  - x\n  - y  # why\n  - new\nb: 1\n"),
    "with dashes at the end": ("a:\r\n  list:\r\n    -  x", "a:\r\n  list:\r\n    -  x\r\n    -  new\r\n"),
    "behind an alias": ("b: &b\n  list: [x]\na: *b\n", "b: &b\n  list: [x, new]\na: *b\n"),
    "behind a merge key": ("b: &b {list: [x]}\na:\n  <<: *b\n", "b: &b {list: [x, new]}\na:\n  <<: *b\n"),
    "that is not there": ("a: {other: 1}\n", None),
    "that is empty": ("a: {list: []}\n", None),
    "of lists": ("a:\n  list:\n  - - x\n    - y\n", "a:\n  list:\n  - - x\n    - y\n  - new\n"),
}  # fmt: skip


@pytest.mark.parametrize("case", PUT)
def test_an_entry_is_put(case: str) -> None:
    old, new = PUT[case]
    assert insert(old, "trainings", "new", "x: 2\n") == new
    assert insert(new, "trainings", "new", "x: 2\n") == new


@pytest.mark.parametrize("case", GONE)
def test_an_entry_is_removed(case: str) -> None:
    old, new = GONE[case]
    assert remove(old, "trainings", "old") == new


@pytest.mark.parametrize("case", LONGER)
def test_a_list_gets_one_item_more(case: str) -> None:
    old, new = LONGER[case]
    assert append(old, ["a", "list"], "new") == new


def test_what_cannot_be_done_in_the_text_is_told() -> None:
    with pytest.raises(ConfigError, match=r"params.yaml: trainings: write each entry on lines of its own"):
        insert("trainings: {a: 1}\n", "trainings", "new", "x: 2\n")
    with pytest.raises(ConfigError, match=r"params.yaml: trainings.old: is not there"):
        remove("trainings:\n  a: 1\n", "trainings", "old")
    with pytest.raises(ConfigError, match=r"params.yaml: holds no mapping"):
        insert("- a\n", "trainings", "new", "x: 2\n")


@pytest.mark.parametrize("section", ["datasets", "trainings", "backbones", "operation", "another"])
def test_the_projects_own_file_comes_back_letter_by_letter(repository: Path, section: str) -> None:
    old = (repository / "params.yaml").read_text()
    new = insert(old, section, "new", as_block({"x": 1, "y": {"z": [1, 2]}}))
    assert load(new)[section]["new"] == {"x": 1, "y": {"z": [1, 2]}}
    assert set(old.splitlines()) <= set(new.splitlines())
    if section != "another":
        assert remove(new, section, "new") == old


def load(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def test_values_are_written_as_they_are_read() -> None:
    value = {
        "b": 1,
        "a": 0.0001,
        "c": 1e-7,
        "none": None,
        "yes": True,
        "no": "no",
        "text": "a: b # c",
        "list": [1, {"x": 2.0}],
    }
    text = as_block(value)
    assert json.dumps(load(text)) == json.dumps(value)
    assert "{" not in text and "[" not in text
    assert [scalar(name) for name in ("birds-tuned", "a: b", "12")] == ["birds-tuned", "'a: b'", "'12'"]


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS.replace("SHA256", "a" * 64))
    return path


def test_a_training_is_written_complete_and_listed(params: Path) -> None:
    params.chmod(0o640)
    old = read_yaml(params)
    changes = {"learning_rates.head": 0.002, "blocks": 2}
    assert params_file.add_training(params, "colours-tuned", "colours-partial", changes, "found by a test")
    new, base = read_yaml(params), old["trainings"]["colours-partial"]
    wanted = base | {"blocks": 2, "learning_rates": base["learning_rates"] | {"head": 0.002}}
    assert new["trainings"] == old["trainings"] | {"colours-tuned": wanted}
    assert new["datasets"]["colours"]["evaluate"]["trainings"] == ["colours-head", "colours-partial", "colours-tuned"]
    lines = params.read_text().splitlines()
    at = lines.index("  colours-tuned:")
    assert lines[at + 1 : at + 3] == ["    # found by a test", "    dataset: colours"]
    assert params.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in params.parent.iterdir()] == ["params.yaml"]


def test_a_training_found_again_takes_the_place_of_the_first(params: Path) -> None:
    params_file.add_training(params, "colours-tuned", "colours-partial", {"blocks": 2}, "first")
    once = params.read_text()
    params_file.add_training(params, "colours-tuned", "colours-partial", {"blocks": 1}, "second")
    assert params.read_text() == once.replace("# first", "# second").replace("    blocks: 2\n", "    blocks: 1\n")


SHARED = """  shades: &shades
    <<: *colours
    evaluate: {metric: accuracy, errors_shown: 5, explained: 3, trainings: &list [shades-head], bootstrap: &b {resamples: 9, confidence: 0.9, by: sample}}
  hues:
    <<: *shades
trainings:
"""  # noqa: E501


def test_a_list_that_others_share_is_left_alone(params: Path) -> None:
    # All of colours' settings are merged into shades, but for the list: there colours' own stays its own.
    text = params.read_text().replace("trainings:\n  colours-head", SHARED + "  colours-head")
    assert params_file._listed(text, "colours", "colours-tuned") is not None
    assert params_file._listed(text, "shades", "shades-tuned") is None
    assert params_file._listed(text, "hues", "hues-tuned") is None


def test_what_would_be_at_fault_leaves_the_file_as_it_was(params: Path) -> None:
    old = params.read_bytes()
    with pytest.raises(ConfigError, match=r"left as it was.*trainings\.colours-tuned.*blocks"):
        params_file.add_training(params, "colours-tuned", "colours-partial", {"blocks": 0}, "wrong")
    assert params.read_bytes() == old
    params_file.add_training(params, "colours-tuned", "colours-partial", {}, "right")
    assert "colours-tuned" in config.load(params.parent).trainings


@pytest.mark.parametrize("kind", ["datasets", "trainings", "searches"])
def test_sections_are_written_in_short_lines_and_read_as_they_were(repository: Path, kind: str) -> None:
    for name, section in read_yaml(repository / "params.yaml")[kind].items():
        text = as_lines(section)
        assert json.dumps(load(text)) == json.dumps(section), name
        assert max(map(len, text.splitlines())) <= 120 and len(text.splitlines()) < len(as_block(section).splitlines())


def test_the_alias_that_keeps_an_entry_is_named() -> None:
    text = "datasets:\n  a: &a {x: &x 1}\n  b:\n    y: *x\ntrainings:\n  t: {dataset: a, <<: *a}\n"
    assert params_datasets.entries_of(load(text), "a") == [("datasets", "a"), ("trainings", "t")]
    with pytest.raises(ConfigError, match=r"params.yaml: datasets\.b takes values from there \(\*x\)"):
        params_datasets.without(text, [("datasets", "a"), ("trainings", "t")])
    with pytest.raises(ConfigError, match=r"params.yaml: trainings\.t takes values from there \(\*a\)"):
        params_datasets.without(text, [("datasets", "a"), ("datasets", "b")])
    left = params_datasets.without(text, [("datasets", "a"), ("datasets", "b"), ("trainings", "t")])
    assert left == "datasets: {}\ntrainings: {}\n"
