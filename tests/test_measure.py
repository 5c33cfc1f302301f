"""Measurements: each made once, on the rows asked for, and the test split closed unless it is asked for."""

from pathlib import Path
from typing import Any

import lessons
import numpy as np
import pandas as pd
import pytest

from tasks.errors import TrainingError
from tasks.experiments import measurements
from tasks.experiments.measure import Part, closed, declared, folds, shortened
from tasks.experiments.measurements import Question
from tasks.modalities.shards import Prepared
from tasks.workspace import OPENINGS, Workspace


class Table:
    """Prepared samples of which only the table is asked for."""

    def __init__(self, objective: str, groups: list[str | None]) -> None:
        labels = [
            ("a", "b", "c")[number % 3] if objective == "classification" else float(number) for number in range(90)
        ]
        self.about = {"objective": objective}
        self.samples = pd.DataFrame({
            "id": [str(number) for number in range(90)],
            "label": labels,
            "group": groups,
        })  # fmt: skip


ALONE = [None] * 90
IN_TENS = [f"group {number // 10}" for number in range(90)]
PART = Part(np.arange(60), np.arange(60, 75), np.arange(75, 90))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return lessons.write(tmp_path, "text")


def question(**changes: Any) -> Question:
    params = lessons.training("text", "partial", epochs=1, patience=1)
    return Question(**{"params": params, "share": 1.0, "fold": 0, "folds": 0, "test": False, **changes})


@pytest.mark.parametrize("objective", ["classification", "regression"])
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_share_of_single_samples_is_that_many_and_the_same_again(objective: str, share: float) -> None:
    prepared: Any = Table(objective, ALONE)
    cut = shortened(PART, prepared, share, seed=1)
    strata = {"classification": 3, "regression": 10}[objective]
    assert len(cut.train) == max(round(60 * share), strata)
    assert set(cut.train) < set(PART.train)
    assert np.array_equal(cut.train, shortened(PART, prepared, share, seed=1).train)
    assert not np.array_equal(cut.train, shortened(PART, prepared, share, seed=2).train)
    assert cut.validation is PART.validation
    assert cut.test is PART.test


def test_a_share_keeps_the_label_shares() -> None:
    prepared: Any = Table("classification", ALONE)
    kept = prepared.samples["label"].iloc[shortened(PART, prepared, 0.5, seed=1).train]
    assert kept.value_counts().to_dict() == {"a": 10, "b": 10, "c": 10}


def test_a_share_of_groups_is_of_whole_ones() -> None:
    prepared: Any = Table("classification", IN_TENS)
    kept = prepared.samples["group"].iloc[shortened(PART, prepared, 0.5, seed=1).train]
    assert sorted(kept.value_counts()) == [10, 10, 10]


def test_a_share_of_groups_holds_the_rarest_label() -> None:
    prepared: Any = Table("classification", IN_TENS)
    prepared.samples["label"] = ["common"] * 45 + ["rare"] + ["common"] * 44
    for seed in range(5):
        assert 45 in shortened(PART, prepared, 0.1, seed).train


@pytest.mark.parametrize("objective", ["classification", "regression"])
def test_folds_hold_each_row_out_once_and_keep_groups_whole(objective: str) -> None:
    prepared: Any = Table(objective, IN_TENS)
    cut = folds(PART, prepared, 5, seed=1)
    assert sorted(np.concatenate([fold.test for fold in cut])) == list(range(75))
    for fold in cut:
        parts = [set(prepared.samples["group"].iloc[rows]) for rows in fold]
        assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
        assert sorted(np.concatenate(fold)) == list(range(75))


@pytest.mark.parametrize("count", [2, 9])
def test_folds_that_cannot_be_are_refused(count: int) -> None:
    prepared: Any = Table("classification", IN_TENS)
    with pytest.raises(TrainingError, match=f"--folds {count}: between 3 and the number of groups, 8"):
        folds(PART, prepared, count, seed=1)


def test_a_measurement_is_made_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    first = measurements.answer(question(), workspace, lessons.silent)
    monkeypatch.setattr(measurements, "measure", None)
    assert measurements.answer(question(), workspace, lessons.silent) == first
    assert measurements.known(question(), workspace) is not None
    assert measurements.known(question(test=True), workspace) is None
    assert measurements.known(question(share=0.5), workspace) is None


def test_the_test_split_is_closed_unless_asked_for_and_counted_then(workspace: Workspace) -> None:
    shut = measurements.answer(question(), workspace, lessons.silent)
    assert set(shut["scores"]) == {"validation"}
    assert workspace.counters(OPENINGS) == {}
    opened = measurements.answer(question(test=True), workspace, lessons.silent)
    assert set(opened["scores"]) == {"validation", "test"}
    assert opened["scores"]["validation"] == shut["scores"]["validation"]
    assert workspace.counters(OPENINGS) == {"openings": 1}


def test_outputs_are_kept_with_their_rows(workspace: Workspace) -> None:
    record = measurements.answer(question(test=True), workspace, lessons.silent)
    kept = measurements.known(question(test=True), workspace)
    assert kept is not None and kept.record == record
    _, outputs, rows = kept
    assert rows.tolist() == lessons.TEST.tolist()
    truth = lessons.TEST % 3
    labels = sorted(lessons.LABELS)
    answered = [lessons.LABELS.index(labels[place]) for place in outputs.argmax(axis=1)]
    assert record["scores"]["test"]["accuracy"] == pytest.approx(np.mean(answered == truth))


def test_it_leaves_no_model_and_no_checkpoint(workspace: Workspace) -> None:
    measurements.answer(question(), workspace, lessons.silent)
    assert not workspace.model("lesson").exists()
    assert not list((workspace.local / "checkpoints").rglob("*.pt"))


def test_repeated_trainings_differ_in_their_seed_alone() -> None:
    params = lessons.training("text", "partial")
    asked = measurements.repeated(params, 3, 0, 1.0, test=True)
    assert [one.params.seed for one in asked] == [3, 4, 5]
    assert all(one.params.model_copy(update={"seed": 3}) == params for one in asked)
    crossed = measurements.repeated(params, 2, 4, 1.0, test=False)
    assert [(one.params.seed, one.fold) for one in crossed] == [(seed, fold) for seed in (3, 4) for fold in range(4)]


def test_the_declared_splits_are_taken_as_they_are(workspace: Workspace) -> None:
    part = declared(Prepared(workspace.prepared), "lesson")
    assert [rows.tolist() for rows in part] == [list(rows) for rows in lessons.SPLITS.values()]
    assert len(closed(part).test) == 0
