"""Labels, groups and splits that stand in the names of files and folders."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tasks.errors import SourceError
from tasks.schema import NamesSource
from tasks.sources import Refused, Sample, names

READ = {
    "{label}_{group}_*": {"7_jackson_32.wav": ("7", "jackson", "")},
    "{label}_*": {"great_pyrenees_12.jpg": ("great_pyrenees", "", "")},
    "*_*_{label}.*": {"img_0001_cat.jpg": ("cat", "", "")},
    "{split}/{label}/**": {
        "train/heron/1.jpg": ("heron", "", "train"),
        "val/heron/may/2.jpg": ("heron", "", "validation"),
        "Test/coot/3.jpg": ("coot", "", "test"),
    },
    "*/{label}/**": {"anything/heron/may/1.jpg": ("heron", "", "")},
    "{label}/{group}/**": {"heron/day1/1.jpg": ("heron", "day1", "")},
    "{label}+(*).*": {"a+(1).png": ("a", "", "")},
}


def find(root: Path, pattern: str) -> list[Sample | Refused]:
    return names.find(NamesSource(kind="names", path=Path("set"), pattern=pattern), root, root)


def write(root: Path, name: str) -> None:
    path = root / "set" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(name)


@pytest.mark.parametrize("pattern", READ)
def test_a_pattern_reads_names(root: Path, pattern: str) -> None:
    for name in READ[pattern]:
        write(root, name)
    found = {sample.name: sample[2:5] for sample in find(root, pattern) if isinstance(sample, Sample)}
    assert found == READ[pattern]


def test_what_does_not_match_is_refused_and_what_comes_later_is_found(root: Path) -> None:
    for name in ("7_jackson_1.wav", "README.md", ".hidden_x_1"):
        write(root, name)
    assert [sample.name for sample in find(root, "{label}_{group}_*") if isinstance(sample, Refused)] == ["README.md"]
    write(root, "8_theo_1.wav")
    labels = {sample.label for sample in find(root, "{label}_{group}_*") if isinstance(sample, Sample)}
    assert labels == {"7", "8"}


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["a.png"], "set: no file matches the pattern {label}_*; the first of 1 files is a.png"),
        ([], "set: no file matches the pattern {label}_*, which is empty"),
    ],
)
def test_nothing_that_matches(root: Path, files: list[str], told: str) -> None:
    (root / "set").mkdir()
    for name in files:
        write(root, name)
    with pytest.raises(SourceError) as error:
        find(root, "{label}_*")
    assert str(error.value) == told


@pytest.mark.parametrize("pattern", ["*_*", "{label}_{colour}", "label"])
def test_a_pattern_without_a_label_or_with_an_unknown_part_is_no_pattern(pattern: str) -> None:
    with pytest.raises(ValidationError):
        NamesSource(kind="names", path=Path("set"), pattern=pattern)
