"""Splits are decided per group or sample, alike on every machine, and adding data moves nothing."""

import numpy as np
import pandas as pd
import pytest

from tasks.errors import SourceError
from tasks.schema import ColumnSplit, HashSplit, StratifiedSplit
from tasks.sources import splits


def table(rows: int, groups: int = 0) -> pd.DataFrame:
    numbers = range(rows)
    return pd.DataFrame(
        {
            "id": [f"{number:064x}" for number in numbers],
            "name": [f"{number}.png" for number in numbers],
            "label": [["cat", "dog", "owl"][number % 3] for number in numbers],
            "group": [f"group {number % groups}" if groups else "" for number in numbers],
            "split": "",
        }
    )


def hashed(by: str, validation: float = 0.2, test: float = 0.3) -> HashSplit:
    return HashSplit(kind="hash", by=by, salt="salt", validation=validation, test=test)


def stratified(seed: int = 1) -> StratifiedSplit:
    return StratifiedSplit(kind="stratified", seed=seed, validation=0.2, test=0.3)


def test_shares_are_met_about() -> None:
    shares = splits.assign(table(5000), hashed("sample")).value_counts(normalize=True)
    assert shares.to_dict() == pytest.approx({"train": 0.5, "validation": 0.2, "test": 0.3}, abs=0.03)


@pytest.mark.parametrize("by", ["sample", "group"])
def test_adding_data_moves_no_old_sample(by: str) -> None:
    small, large = table(600, groups=100), table(3000, groups=100)
    large.loc[600:, "group"] += " new"
    before, after = splits.assign(small, hashed(by)), splits.assign(large, hashed(by))
    assert before.tolist() == after[:600].tolist()


def test_another_validation_share_leaves_the_test_split() -> None:
    data = table(1000)
    few, many = splits.assign(data, hashed("sample", 0.1)), splits.assign(data, hashed("sample", 0.4))
    assert ((few == "test") == (many == "test")).all()


def test_a_group_lies_in_one_split() -> None:
    data = table(900, groups=60)
    data["split"] = splits.assign(data, hashed("group"))
    assert (data.groupby("group")["split"].nunique() == 1).all()


def test_the_salt_decides() -> None:
    data = table(500)
    other = hashed("sample").model_copy(update={"salt": "pepper"})
    assert (splits.assign(data, hashed("sample")) != splits.assign(data, other)).any()


def test_the_draw_is_the_same_everywhere() -> None:
    drawn = splits.assign(table(12), hashed("sample"))
    letters = "".join(name[1] for name in drawn)  # r, a, e: train, validation, test
    assert letters == "aereaeeraere"


def test_a_place_depends_on_salt_and_key_alone_and_lies_between_0_and_1() -> None:
    places = [splits.place("salt", str(number)) for number in range(2000)]
    assert places == [splits.place("salt", str(number)) for number in range(2000)]
    assert 0 <= min(places) < 0.01 and 0.99 < max(places) < 1
    assert places[0] != splits.place("pepper", "0")


def test_missing_groups_are_told() -> None:
    data = table(10, groups=3)
    data.loc[4, "group"] = ""
    with pytest.raises(SourceError, match=r"1 of 10 samples have no group, the first is 4\.png"):
        splits.assign(data, hashed("group"))


def test_an_empty_split_is_named() -> None:
    with pytest.raises(SourceError, match="the validation split has no sample of 30"):
        splits.assign(table(30), hashed("sample", validation=0.0))


def test_stratified_keeps_the_shares_of_each_label_and_ignores_the_order() -> None:
    data = table(300)
    drawn = splits.assign(data, stratified())
    counts = pd.crosstab(data["label"], drawn)
    assert counts.to_dict("list") == {"test": [30] * 3, "train": [50] * 3, "validation": [20] * 3}
    shuffled = data.sample(frac=1, random_state=0)
    assert splits.assign(shuffled, stratified()).sort_index().tolist() == drawn.tolist()
    assert (splits.assign(data, stratified(seed=2)) != drawn).any()


def test_stratified_by_deciles_of_numbers() -> None:
    data = table(1000)
    data["label"] = np.random.default_rng(0).normal(size=1000)
    means = data["label"].groupby(splits.assign(data, stratified())).mean()
    assert means.max() - means.min() < 0.1


def test_a_label_with_one_sample_is_learnt_from() -> None:
    data = table(31)
    data.loc[30, "label"] = "rare"
    assert splits.assign(data, stratified())[30] == "train"


def test_declared_splits() -> None:
    data = table(9)
    data["split"] = ["train", "validation", "test"] * 3
    assert splits.assign(data, ColumnSplit(kind="column")).tolist() == data["split"].tolist()


def test_a_group_in_two_declared_splits_is_told() -> None:
    data = table(6, groups=3)
    data["split"] = ["train", "validation", "test", "test", "validation", "test"]
    with pytest.raises(SourceError, match="1 groups lie in several splits, the first group 0 in test, train"):
        splits.assign(data, ColumnSplit(kind="column"))
