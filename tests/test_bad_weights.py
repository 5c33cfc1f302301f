"""Weights that cannot be used are told by name before anything learns from them; nothing of theirs is kept or run."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import bad
import project as projects
import pytest
from bad import PARAMS, write

from tasks.workspace import sha256_of

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 438000000\n"
PAGE = b"<!DOCTYPE html>\n<html>Please sign in</html>"
WEIGHTS = "model.safetensors"
CODE = "from pathlib import Path\nPath('pwned').touch()\n"
WHOLE = "its weights are no whole safetensors file"


class Pwning:
    """Unpickled, it writes a file."""

    def __reduce__(self) -> "tuple[Callable[..., None], tuple[str]]":
        return Path.touch, (Path("pwned"),)  # type: ignore[return-value]


def cut(folder: Path) -> None:
    write(folder / WEIGHTS, (folder / WEIGHTS).read_bytes()[:-1000])


def cut_in_its_header(folder: Path) -> None:
    write(folder / WEIGHTS, (folder / WEIGHTS).read_bytes()[:100])


def spoilt(folder: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / WEIGHTS)
    tensors["embeddings.word_embeddings.weight"][3, 4] = torch.nan
    tensors["encoder.layer.1.output.dense.bias"][:] = torch.nan
    save_file(tensors, folder / WEIGHTS)


def pickled(folder: Path) -> None:
    write(folder / "model.bin", pickle.dumps({"weights": Pwning()}))


def wrapped(folder: Path) -> None:
    import torch

    torch.save({"state_dict": {"weight": torch.ones(2)}, "epoch": 3}, folder / "model.bin")


def holding(content: bytes) -> Callable[[Path], None]:
    return lambda folder: write(folder / WEIGHTS, content) and None


def config(content: str | bytes) -> Callable[[Path], None]:
    return lambda folder: write(folder / "config.json", content) and None


CASES: dict[str, tuple[Callable[[Path], object], dict[str, str], str]] = {
    "no file": (lambda folder: (folder / WEIGHTS).unlink(), {}, "tiny: there is no model.safetensors in "),
    "a link to nothing": (
        lambda folder: (folder / WEIGHTS).rename(folder / "gone") and (folder / WEIGHTS).symlink_to("nowhere"), {},
        "tiny: there is no model.safetensors in ",
    ),
    "zero bytes": (holding(b""), {}, "tiny: model.safetensors is empty (0 bytes); fetch it again"),
    "a Git LFS pointer": (
        holding(LFS), {}, "tiny: model.safetensors is a Git LFS pointer; run `git lfs pull` "
        "where it comes from",
    ),
    "a web page": (
        holding(PAGE), {}, "tiny: model.safetensors is an HTML page; fetch the file itself: the page "
        "may tell of an error or ask for a login",
    ),
    "another file than declared": (
        lambda _: None, {"sha256": "b" * 64}, "tiny: model.safetensors has sha256 {sha256}, declared is "
        + "b" * 64 + "; not loaded. Declare the file you mean under backbones, or fetch it again",
    ),
    "cut off": (cut, {}, f"tiny: {WHOLE} (Error while deserializing header: incomplete metadata, file not fully "
        "covered); fetch it again"),
    "cut off in its header": (cut_in_its_header, {}, f"tiny: {WHOLE} (Error while deserializing header: invalid "
        "header length"),
    "garbage": (holding(b"\x00garbage" * 100), {}, f"tiny: {WHOLE} (Error while deserializing header: header too "
        "large); fetch it again"),
    "values that are no numbers": (
        spoilt, {}, "tiny: its weights hold values that are no numbers (NaN), in embeddings.word_embeddings.weight, "
        "encoder.layer.1.output.dense.bias; take another file",
    ),
    "a pickle where safetensors are declared": (
        pickled, {"file": "model.bin"}, "model.bin: only safetensors are loaded of a Hugging Face directory",
    ),
    "a pickle that runs code": (
        pickled, {"file": "model.bin", "format": "efficientnet-lite0"}, "model.bin: no plain tensors in it (",
    ),
    "a pickle with more than tensors": (
        wrapped, {"file": "model.bin", "format": "efficientnet-lite0"}, "model.bin: no plain tensors in it (something "
        "around them); declare another file",
    ),
    "no config.json": (
        lambda folder: (folder / "config.json").unlink(), {}, "model.safetensors: no config.json beside it; a Hugging "
        "Face model directory has one",
    ),
    "a config.json that is no JSON": (
        config("{'model_type': 'bert'}"), {}, "tiny: config.json is no JSON (Expecting property name enclosed in "
        "double quotes: line 1 column 2 (char 1))",
    ),
    "a config.json that is a web page": (
        config(PAGE), {}, "tiny: config.json is an HTML page; fetch the file itself: the page may tell of "
        "an error or ask for a login",
    ),
    "a config.json of nothing": (
        config("{}"), {}, "tiny: config.json names no model_type; take the one that belongs to the weights",
    ),
}  # fmt: skip
"""By what is wrong: how it is made of a good directory, what params.yaml says otherwise, and how the line begins."""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backbone") / "good"
    projects.backbone(folder)
    return folder


@pytest.fixture(autouse=True)
def project(root: Path, good: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    bad.ingested(root, monkeypatch, capsys)
    shutil.copytree(good, root / "backbone")


def declare(root: Path, changes: dict[str, str]) -> str:
    """Declare the weights as they are, but for the changes; return their sha256."""
    file = root / "backbone" / changes.get("file", WEIGHTS)
    facts = {"file": WEIGHTS, "format": "huggingface", "sha256": sha256_of(file) if file.exists() else "c" * 64}
    old = f"    format: huggingface\n    file: {WEIGHTS}\n    sha256: {'a' * 64}\n"
    assert old in PARAMS
    new = "".join(f"    {key}: {value}\n" for key, value in (facts | changes).items())
    write(root / "params.yaml", PARAMS.replace(old, new))
    return facts["sha256"]


@pytest.mark.parametrize("case", CASES)
def test_it_is_told_and_nothing_of_it_is_kept_or_run(root: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    make, changes, told = CASES[case]
    make(root / "backbone")
    found = declare(root, changes)
    before = bad.standing(root)
    answer = bad.stage("preprocess", "colours", capsys)
    assert (answer.code, answer.out, answer.err.count("\n")) == (1, "", 1)
    assert told.format(sha256=found) in answer.err.splitlines()[0]
    assert bad.standing(root) == before
    assert not [path for path in (root / ".local/backbones").iterdir() if path.suffix != ".lock"]
    assert not (root / "pwned").exists()


def test_code_that_comes_with_weights_is_never_run(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = root / "backbone"
    for name in ("modeling.py", "configuration.py", "setup.py"):
        write(folder / name, CODE)
    told = json.loads((folder / "config.json").read_text())
    told["auto_map"] = {"AutoConfig": "configuration.Own", "AutoModel": "modeling.Own"}
    write(folder / "config.json", json.dumps(told))
    declare(root, {})
    for stage in ("preprocess", "extract"):
        answer = bad.stage(stage, "colours", capsys)
        assert answer.code == 0, answer.err
    assert not (root / "pwned").exists()
    assert not list((root / ".local").rglob("*.py"))


def test_a_link_to_the_declared_weights_is_followed_and_copied(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "backbone" / WEIGHTS).rename(root / "blob")
    (root / "backbone" / WEIGHTS).symlink_to(root / "blob")
    declare(root, {})
    assert bad.stage("preprocess", "colours", capsys).code == 0
    (made,) = (root / ".local/backbones").glob("tiny-*")
    assert not any(path.is_symlink() for path in made.iterdir())
