"""A params.yaml that cannot be used: every fault in a line, exit code 1, and nothing of what was made is touched."""

import sys
from pathlib import Path

import bad
import pytest
from bad import PARAMS, Answer, write
from project import Project

DEEP = "is nested deeper than any person writes"
NAMED = "a name has letters, digits, - and _ only; rename it"
PLAIN = "Input should be a number, without quotes"
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]\n" for number in range(1, 10)
)
MODALITY = "modality: image, but data set colours is text"
SPLIT = "datasets.colours.ingest.split"
PATH = "datasets.colours.ingest.source.path"


def changed(old: str, new: str) -> str:
    assert old in PARAMS
    return PARAMS.replace(old, new)


def named(name: str) -> str:
    """Give the data set another name wherever it is named."""
    renamed = changed("colours: &colours", f"{name}: &colours").replace("dataset: colours", f"dataset: {name}")
    return renamed.replace("  colours:\n    training:", f"  {name}:\n    training:")


CASES: dict[str, tuple[str | bytes | None, list[str]]] = {
    "no file": (None, ["there is no such file; run from the project's folder"]),
    "an empty file": ("", ["holds no mapping; expected datasets, trainings and backbones"]),
    "only a comment": ("# soon\n", ["holds no mapping; expected datasets, trainings and backbones"]),
    "a list": ("[]", ["holds no mapping; expected datasets, trainings and backbones"]),
    "plain words": ("my data", ["holds no mapping; expected datasets, trainings and backbones"]),
    "Latin-1": (b"caf\xe9: 1\n", ["is no UTF-8 text; save it as UTF-8"]),
    "a NUL byte": ("a\0b: 1\n", ["is no UTF-8 text; save it as UTF-8"]),
    "a bracket that is never closed": (
        "datasets: [\n",
        ["line 2, column 1: while parsing a flow node: expected the node content, but found '<stream end>'"],
    ),
    "a tab": (
        "datasets:\n\tcolours: 1\n",
        ["line 2, column 1: while scanning for the next token: found character '\\t' that cannot start any token; "
         "indent with blanks, not with tabs"],
    ),
    "a key twice": (PARAMS + "trainings: {}\n", ['line 89, column 1: found duplicate key "trainings"']),
    "two documents": (
        PARAMS + "---\na: 1\n",
        ["line 89, column 1: expected a single document in the stream: but found another document; leave out the "
         "second ---"],
    ),
    "a merge of nothing": (
        changed("<<: *head", "<<: *heads"),
        ["line 61, column 9: found undefined alias 'heads'; an anchor of that name must stand above it"],
    ),
    "a value that holds itself": (PARAMS + "loop: &loop {a: *loop}\n", [DEEP]),
    "a hundred thousand brackets": ("a: " + "[" * 100_000, [DEEP]),
    "a bomb of aliases": (PARAMS + BOMB, ["its aliases unfold to more than 1,000,000 values: a YAML bomb"]),
    "a Python object": (
        PARAMS + "x: !!python/object/apply:os.mkdir [pwned]\n",
        ["line 89, column 4: could not determine a constructor for the tag "
         "'tag:yaml.org,2002:python/object/apply:os.mkdir'; write a plain value; no code is run from here"],
    ),
    "a list of data sets": (
        PARAMS[: PARAMS.index("datasets:")] + "datasets: [colours]\ntrainings: {}\nsearches: {}\n",
        ["datasets: Input should be a valid dictionary (found ['colours'])"],
    ),
    "a training that is none": (
        changed("  colours-head: &head\n", "  more: null\n  colours-head: &head\n"),
        ["trainings.more: Input should be a valid dictionary or instance of HeadTraining (found None)"],
    ),
    "a list where a backbone is named": (
        changed("backbone: tiny", "backbone: [tiny]"),
        ["datasets.colours.backbone: no ['tiny'] under backbones; there are ['tiny']. Did you mean tiny?"],
    ),
    "no backbone": (
        changed("backbone: tiny", "backbone: null"),
        ["datasets.colours.backbone: is missing; name one of ['tiny']"],
    ),
    "a name with a blank": (named("my set"), [f"datasets.my set: {NAMED}"]),
    "a name with @": (named('"a@b"'), [f"datasets.a@b: {NAMED}"]),
    "a name that leads out": (named("../b"), [f"datasets.../b: {NAMED}"]),
    "a name with a dot": (named("a.b"), [f"datasets.a.b: {NAMED}"]),
    "a training's name with a slash": (
        PARAMS.replace("colours-head", "colours/head"), [f"trainings.colours/head: {NAMED}"],
    ),
    "a backbone's name with a blank": (PARAMS.replace("tiny", "ti ny"), [f"backbones.ti ny: {NAMED}"]),
    "a number for a name": (
        changed("searches:\n", "  1:\n    <<: *head\nsearches:\n"),
        ["trainings.1: a name must be a text; write it in quotes, or begin it with a letter"],
    ),
    "a training without a modality": (
        changed("searches:\n", "  more: {dataset: colours, strategy: full}\nsearches:\n"),
        ["trainings.more.modality: None is none of image, text, audio"],
    ),
    "a key that is a number": (PARAMS + "1: 2\n", ["1: Keys should be strings (found 1)"]),
    "a training of another modality": (
        changed("    dataset: colours\n    modality: text", "    dataset: colours\n    modality: image"),
        [f"trainings.colours-head.{MODALITY}", f"trainings.colours-partial.{MODALITY}"],
    ),
    "shares above one": (
        changed("validation: 0.2, test: 0.3", "validation: 0.6, test: 0.6"),
        [f"{SPLIT}: validation 0.6 and test 0.6 leave nothing to learn from; together they must stay below 1"],
    ),
    "a share of nothing": (
        changed("validation: 0.2, test: 0.3", "validation: 0.0, test: 0.3"),
        [f"{SPLIT}: validation 0 and test 0.3 leave one of them without a sample; both must be above 0"],
    ),
    "a number below nought": (
        changed("epochs: 2", "epochs: -2"),
        ["trainings.colours-partial.epochs: Input should be greater than 0 (found -2)"],
    ),
    "a number in quotes": (
        changed("epochs: 2", 'epochs: "2"'), [f"trainings.colours-partial.epochs: {PLAIN} (found '2')"],
    ),
    "yes for a number": (
        changed("epochs: 2", "epochs: true"), [f"trainings.colours-partial.epochs: {PLAIN} (found True)"],
    ),
    "half an epoch": (
        changed("epochs: 2", "epochs: 2.5"),
        ["trainings.colours-partial.epochs: Input should be a valid integer, got a number with a fractional part "
         "(found 2.5)"],
    ),
    "an endless learning rate": (
        changed("{head: 0.01, backbone", "{head: .inf, backbone"),
        ["trainings.colours-partial.learning_rates.head: Input should be a finite number (found inf)"],
    ),
    "a seed below nought": (
        changed("backbone: tiny\n    seed: 1", "backbone: tiny\n    seed: -1"),
        ["datasets.colours.seed: Input should be greater than or equal to 0 (found -1)"],
    ),
    "no training at all": (
        changed("[colours-head, colours-partial]", "[]"),
        ["datasets.colours.evaluate.trainings: List should have at least 1 item after validation, not 0 (found [])"],
    ),
    "a training twice": (
        changed("[colours-head, colours-partial]", "[colours-head, colours-head]"),
        ["datasets.colours.evaluate.trainings: 'colours-head' stands there 2 times; name it once"],
    ),
    "a path of nothing": (
        changed("path: texts/colours.csv", "path: null"),
        [f"{PATH}: Input is not a valid path for <class 'pathlib.Path'> (found None)"],
    ),
    "the project itself for a source": (
        changed("path: texts/colours.csv", "path: ."),
        [f"{PATH}: '.' holds data/colours, which is written; name a folder beside it"],
    ),
    "a source that does not exist": (
        changed("kind: table", "kind: tabel"),
        ["datasets.colours.ingest.source: Input tag 'tabel' found using 'kind' does not match any of the expected "
         "tags: 'folder', 'names', 'table', 'url', 'sql', 'remote', 'package'"],
    ),
    "several faults": (
        PARAMS.replace("epochs: 2", "epochs: -2").replace("backbone: tiny", "backbone: tinny")
        .replace("shard: 64", "shrad: 64"),
        ["datasets.colours.backbone: no 'tinny' under backbones; there are ['tiny']. Did you mean tiny?",
         "datasets.colours.preprocess.shard: is missing",
         "datasets.colours.preprocess.shrad: unknown key. Did you mean shard?",
         "trainings.colours-partial.epochs: Input should be greater than 0 (found -2)"],
    ),
}  # fmt: skip
"""By what is wrong: the file, and its lines without the file's name at their beginning."""


def declare(root: Path, content: str | bytes | None) -> None:
    if content is None:
        (root / "params.yaml").unlink()
    else:
        write(root / "params.yaml", content)


def lines(answer: Answer, root: Path) -> list[str]:
    """The lines of the error, without what they all begin with."""
    told = answer.err.removeprefix("error ").splitlines()
    return [line.replace(f"{root}/", "").removeprefix("params.yaml: ") for line in told]


@pytest.mark.parametrize("case", CASES)
def test_each_fault_is_a_line(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    content, told = CASES[case]
    bad.ingested(root, monkeypatch, capsys)
    declare(root, content)
    before = bad.standing(root)
    answer = bad.transfer("status", monkeypatch=monkeypatch, capsys=capsys)
    assert (answer.code, answer.out) == (1, "")
    assert lines(answer, root) == told
    assert bad.standing(root) == before
    assert not (root / "pwned").exists()


NAMES = {
    "a data set that is none": (["status", "colour"], 'no data set "colour" in params.yaml; there are: colours. Did '
        "you mean colours?"),
    "a data set that is none, to run": (["run", "x"], 'no data set "x" in params.yaml; there are: colours'),
    "a training that is none": (["measure", "colours-heads"], 'no training "colours-heads" in params.yaml; there are: '
        "colours-head, colours-partial. Did you mean colours-head?"),
    "candidates that are none": (["rank", "colours"], "params.yaml: colours has no candidates to rank; write "
        "candidates: {colours: [{backbone: tiny, layers: null}]}"),
}  # fmt: skip


@pytest.mark.parametrize("case", NAMES)
def test_a_name_that_leads_nowhere_is_a_line(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    arguments, told = NAMES[case]
    bad.ingested(root, monkeypatch, capsys)
    answer = bad.transfer(*arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert (answer.code, answer.out, answer.err.count("\n")) == (1, "", 1)
    assert answer.err == f"error {told}\n"


@pytest.mark.integration
@pytest.mark.parametrize("case", ["no file", "a tab", "a bomb of aliases", "a Python object", "several faults"])
@pytest.mark.parametrize("command", ["run", "status"])
def test_the_command_itself_ends_with_1_and_shows_no_traceback(root: Path, command: str, case: str) -> None:
    content, told = CASES[case]
    write(root / "params.yaml", PARAMS)
    declare(root, content)
    ended = Project(root).python(*(["-P"] if sys.version_info >= (3, 11) else []), "-m", "flows.cli", command)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert lines(Answer(1, "", ended.stderr), root) == told
