"""Planted leaks are all found: splits told apart, labels told by names, order, sizes, words. Clean data raises none."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import write_picture, write_sound
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tasks.leaks import copies, giveaways, groups, names, permutation, telling, traces
from tasks.leaks.finding import Finding
from tasks.leaks.folds import drawn, numbered
from tasks.sources import Sample, grouping
from tasks.workspace import write_json

SEEDS = range(8)
COUNT = 240


def labelled(seed: int, kind: str, per_group: int = 1) -> pd.DataFrame:
    """Samples with random labels, that stay the same within a group of `per_group`."""
    generator = np.random.default_rng(seed)
    places = np.arange(COUNT) // per_group
    drawn_labels = generator.choice(["heron", "coot", "gull"], COUNT)[places]
    labels = drawn_labels if kind == "classes" else generator.normal(size=COUNT)[places]
    named = [f"day{place % 7}_{generator.integers(10**6):06}.png" for place in places]
    return pd.DataFrame({"label": labels, "group": [f"g{place}" for place in places], "name": named})


def checks(samples: pd.DataFrame, seed: int) -> list[Finding]:
    """Every check of what is told, on traces that are drawn at random."""
    to, kept = permutation.asked(samples, seed)
    assert kept.all()
    generator = np.random.default_rng(seed + 1)
    sizes = generator.integers(100, 120, (COUNT, 2)).astype(float)
    texts = pd.Series(generator.choice(["a heron", "the coot", "a gull", "0.5 of 1"], COUNT))
    number = samples["name"].map(names.number).to_numpy(float)[:, None]
    found = [giveaways.by_name(samples["name"], to), giveaways.by_words(texts, to)]
    tables = {"running number": number, "size of the picture": sizes, "file size": sizes[:, :1]}
    return found + [giveaways.by_numbers(trace, values, to) for trace, values in tables.items()]


@pytest.mark.parametrize("per_group", [1, 6])
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_labels_dealt_at_random_are_told_by_nothing(kind: str, per_group: int) -> None:
    """Eight seeds of five checks: at 0.002 each, one alarm would be a rare accident, two an error."""
    found = [one for seed in SEEDS for one in checks(labelled(seed, kind, per_group), seed)]
    assert len(found) == 5 * len(SEEDS)
    assert [one for one in found if one.verdict != "none"] == []


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_the_rate_of_false_alarms_is_what_is_declared(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of answers that know nothing, the share that chance beats by less than 5 % is about 5 %."""
    monkeypatch.setattr(permutation, "DEALS", 599)
    rare = []
    for seed in range(80):
        to, _ = permutation.asked(labelled(seed, kind), seed)
        values = np.random.default_rng(seed + 500).normal(size=(COUNT, 1))
        learner = DecisionTreeClassifier if to.classes else DecisionTreeRegressor
        told = permutation.tell(values, learner(max_leaf_nodes=8), to)
        assert told is not None
        rare.append(told.rare)
    assert np.mean(np.array(rare) <= 0.05) <= 0.1
    assert np.mean(np.array(rare) <= permutation.RARE) <= 0.0125


def test_a_label_in_the_file_name_is_found_and_the_folder_is_no_name() -> None:
    for seed in SEEDS:
        samples = labelled(seed, "classes")
        clean = samples["label"] + "/" + samples["name"]
        to, _ = permutation.asked(samples, seed)
        assert giveaways.by_name(clean, to).verdict == "none"
        told = giveaways.by_name("x/" + samples["label"].str[:2] + "_" + samples["name"], to)
        assert told.verdict == "reported" and "balanced accuracy of 1.00 (0.33 by chance)" in told.said


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_a_label_by_the_order_is_found(kind: str) -> None:
    for seed in SEEDS:
        samples = labelled(seed, kind).sort_values("label", ignore_index=True)
        to, _ = permutation.asked(samples, seed)
        by_row = pd.Series([f"birds.csv row {row}" for row in range(COUNT)])
        by_file = pd.Series([f"any/IMG_{row:04}.png" for row in range(COUNT)])
        for known in (by_row, by_file):
            number = known.map(names.number).to_numpy(float)[:, None]
            assert giveaways.by_numbers("running number", number, to).verdict == "reported"
            assert giveaways.by_name(known, to).verdict == "none"


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_a_label_by_the_size_of_the_picture_is_found(kind: str) -> None:
    for seed in SEEDS:
        samples = labelled(seed, kind)
        to, _ = permutation.asked(samples, seed)
        place = pd.Series(samples["label"]).rank(method="dense").to_numpy()
        noise = np.random.default_rng(seed).normal(0, 0.1 * np.ptp(place), COUNT)
        told = giveaways.by_numbers("size of the picture", (200 + place + noise)[:, None], to)
        assert told.verdict == "reported" and told.said.endswith(giveaways.MEANING["size of the picture"])


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_a_text_that_names_its_label_is_found(kind: str) -> None:
    samples = labelled(0, kind)
    to, _ = permutation.asked(samples, 0)
    words = samples["label"] if kind == "classes" else samples["label"].map("{:g}".format)
    texts = "seen: " + words.astype(str).str.upper() + ", and nothing else"
    texts[100:] = "nothing at all"
    told = giveaways.by_words(texts, to)
    assert (told.verdict, told.found) == ("reported", 100)
    assert told.said.startswith("41.7% of the texts hold their own label as a word")
    assert told.examples[0] == texts[0]


def test_a_label_that_belongs_to_the_group_is_no_leak() -> None:
    """Names tell the group and the group the label, but no unseen group."""
    samples = labelled(3, "classes", per_group=12)
    to, _ = permutation.asked(samples, 3)
    letters = "abcdefghijklmnopqrst"
    assert (
        giveaways.by_name(samples["group"].map(lambda name: letters[int(name[1:])] * 3 + ".png"), to).verdict == "none"
    )


def features(seed: int, shift: float) -> tuple[Any, "pd.Series[str]", dict[str, Any]]:
    """Features of 60 groups that differ from one another; the test split is moved by `shift` in every tenth."""
    generator = np.random.default_rng(seed)
    places = np.arange(900) // 15
    found = generator.normal(size=(60, 40))[places] + generator.normal(size=(900, 40))
    split = np.array(["train", "train", "train", "test", "validation"])[places % 5]
    found[split == "test", ::10] += shift
    rows = {name: np.flatnonzero(split == name) for name in ("train", "validation", "test")}
    return found.astype(np.float32), pd.Series(places).map("group {}".format), rows


def test_splits_of_one_kind_are_not_told_apart_however_lumpy() -> None:
    found = [one for seed in SEEDS[:5] for one in telling.look(*features(seed, 0.0), seed)]
    assert len(found) == 10
    assert [one for one in found if one.verdict != "none"] == []


def test_a_test_split_of_another_camera_is_told() -> None:
    for seed in SEEDS[:3]:
        test, validation = telling.look(*features(seed, 3.0), seed)
        assert (test.check, test.verdict, validation.verdict) == ("test told from train", "reported", "none")
        assert re.search(r"area under the curve of \d\.\d\d \(\d\.\d\d to \d\.\d\d; by chance 0\.50\)", test.said)


def test_splits_with_hardly_any_group_are_not_judged() -> None:
    values, _, rows = features(0, 3.0)
    one_each = pd.Series(np.where(np.isin(np.arange(900), rows["test"]), "a", "b"))
    assert "fewer than 5 groups" in telling.look(values, one_each, rows, 0)[0].said


def test_areas_are_those_of_scikit_learn_ties_and_resamples_without_a_side_too() -> None:
    generator = np.random.default_rng(0)
    targets, scores = generator.integers(0, 2, 60), generator.integers(0, 9, 60) / 8
    weights = generator.integers(0, 3, (20, 60))
    weights[0, targets == 1] = 0
    found = telling.areas(targets, scores, weights)
    assert np.isnan(found[0])
    wanted = [roc_auc_score(targets, scores, sample_weight=weight) for weight in weights[1:]]
    assert found[1:] == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("name", "stem", "letters", "number", "family", "inner"),
    [
        ("heron/patient12_a.png", "patient12_a", "patient#_a", 12.0, "patient12", ""),
        ("7_jackson_32.wav", "7_jackson_32", "#_jackson_#", 32.0, "7_jackson", ""),
        ("x/day 3 (2).jpg", "day 3 (2)", "day # (#)", 2.0, "day 3", ""),
        ("coot/day1/0007.png", "0007", "#", 7.0, "", "day1"),
        ("birds.csv row 41", "", "", 41.0, "", ""),
        ("gull.png", "gull", "gull", np.nan, "", ""),
    ],
)
def test_what_stands_in_a_name(name: str, stem: str, letters: str, number: float, family: str, inner: str) -> None:
    if family or inner:
        pattern = names.STEM_PATTERN if family else names.FOLDER_PATTERN
        sample = Sample(name, "", "", "", "", "")
        assert grouping.by_name([sample], pattern) == [sample._replace(group=family or inner)]
    assert (names.stem(name), names.letters(name), names.family(name)) == (stem, letters, family)
    assert names.inner_folder(name) == inner
    assert np.array_equal(names.number(name), number, equal_nan=True)


def grouped(named: list[str], labels: list[str], group: str | None = None) -> Finding:
    splits = [("train", "train", "test")[number % 3] for number in range(len(named))]
    return groups.look(pd.DataFrame({"name": named, "label": labels, "group": group, "split": splits}))


def test_names_that_share_a_stem_across_splits_are_told() -> None:
    named = [f"patient{number // 4}_{'abcd'[number % 4]}.png" for number in range(40)]
    told = grouped(named, ["a", "b"] * 20)
    assert (told.verdict, told.found) == ("reported", 10)
    assert told.said.startswith("40 samples share a stem with others, and 10 of these sets lie in several splits")
    assert told.examples[:2] == ["patient0_a.png (train)", "patient0_b.png (train)"]
    assert told.said.endswith(f"ingest.group_pattern: '{names.STEM_PATTERN}'")
    inside = grouped([f"heron/day{number // 4}/{number}.png" for number in range(40)], ["heron"] * 40)
    assert inside.verdict == "reported" and "share a folder" in inside.said


def test_names_that_are_no_groups_are_left_alone() -> None:
    labels = ["heron", "coot", "gull", "tern"] * 10
    assert grouped([f"IMG_{number:04}.png" for number in range(40)], labels).verdict == "none"
    assert grouped([f"{number:04}.png" for number in range(40)], labels).verdict == "none"
    assert grouped([f"{label}_{number}.png" for number, label in enumerate(labels)], labels).verdict == "none"
    assert grouped([f"{hash(str(number)):x}.png" for number in range(40)], labels).verdict == "none"
    assert grouped([f"birds.csv row {number}" for number in range(40)], labels).verdict == "none"
    declared = grouped([f"patient{number // 4}_{number % 4}.png" for number in range(40)], labels, group="g")
    assert declared.said == "not looked at: groups are declared"


def test_files_tell_their_size_shape_and_length(tmp_path: Path) -> None:
    write_picture(tmp_path / "0.png", (9, 9, 9), seed=0, size=20)
    write_sound(tmp_path / "1.wav", 440, seed=0, seconds=0.5)
    (tmp_path / "2.png").write_bytes(b"no picture")
    manifest = pd.DataFrame({"name": ["a1.png", "a2.png"], "path": ["0.png", "2.png"], "text": None})
    shape = traces.shapes(manifest, tmp_path, "image")["size of the picture"]
    assert shape[0].tolist() == [20, 20, 1] and np.isnan(shape[1]).all()
    assert traces.table(manifest, tmp_path)["file size"].ravel().tolist() == [(tmp_path / "0.png").stat().st_size, 10]
    sound = manifest.assign(path="1.wav")
    assert traces.shapes(sound, tmp_path, "audio")["length and rate of the recording"][0].tolist() == [0.5, 16000, 1]
    text = pd.DataFrame({"name": ["t row 3"], "path": None, "text": ["four"]})
    assert traces.table(text, tmp_path)["length of the text"].tolist() == [[4.0]]
    assert traces.table(text, tmp_path)["running number"].tolist() == [[3.0]]


def test_same_bytes_and_near_duplicates_are_told_from_what_the_stages_wrote(tmp_path: Path) -> None:
    reason = "a.png and b.png hold the same but stand in the splits test and train"
    (tmp_path / "refused.csv").write_text(f"name,reason\na.png,{reason}\nb.png,{reason}\nc.png,is an empty file\n")
    same = copies.same_bytes(tmp_path)
    assert (same.found, same.verdict, same.examples) == (2, "refused", [reason])
    about = {"across_splits": "report", "likeness": 0.9, "within": {"train": 4, "test": 0}}
    write_json(tmp_path / "near_duplicates.json", about)
    rows = "train,x,test,y,0.95\ntrain,x,validation,z,0.91\nvalidation,u,test,y,0.99\n"
    (tmp_path / "near_duplicates.csv").write_text("split,name,other_split,other_name,likeness\n" + rows)
    across, within = copies.near_duplicates(tmp_path)
    assert (across.found, across.verdict) == (2, "reported")
    assert across.examples[0] == "u (validation) resembles y (test), likeness 0.990"
    assert (within.found, within.verdict) == (4, "none") and within.said.endswith("train 4")


def test_samples_without_a_group_are_groups_of_their_own() -> None:
    assert numbered(pd.Series(["a", None, "a", None])).tolist() == [0, 1, 0, 2]
    assert drawn(np.arange(5), 9, 0).tolist() == [0, 1, 2, 3, 4]
    assert len(set(drawn(np.arange(50), 9, 0).tolist())) == 9
