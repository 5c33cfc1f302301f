"""The gate: each thing that is checked stops a version by itself, and each decision stands with its numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tracked import with_database
from trained import FACTS, write_evaluation, write_model, write_raw

from tasks.errors import RegistryError
from tasks.evaluation import bootstrap
from tasks.objectives import Array
from tasks.promotion import checks, drift
from tasks.promotion.checks import Check, Duel
from tasks.promotion.drift import Arrivals
from tasks.records import registry, throne, tracking
from tasks.register import register
from tasks.schema import AnyDataset, Drift, Gate
from tasks.workspace import Workspace

NAME, TRAINING = "colours", "colours-head"
GATE = Gate(
    margin=0.0,
    certainty=0.8,
    class_fall=0.1,
    calibration_rise=0.05,
    drift=Drift(features=0.75, labels=0.3, refused=0.1),
)
COUNT = 400
TARGETS = np.arange(COUNT) % 2


def answers(wrong: list[int], sure: float = 3.0) -> Array:
    """Outputs float32 [COUNT, 2] that are wrong for these samples."""
    answered = TARGETS.copy()
    answered[wrong] = 1 - answered[wrong]
    return np.eye(2, dtype=np.float32)[answered] * np.float32(sure)


def duel(ours: Array, theirs: Array, metric: str = "accuracy") -> Duel:
    return Duel("classification", FACTS, metric, TARGETS, bootstrap.by_sample(COUNT, 500, 1), ours, theirs)


def failed(found: list[Check]) -> list[str]:
    return [one.name for one in found if not one.passed]


EVERY_TENTH = list(range(0, COUNT, 10)) + list(range(1, COUNT, 10))


@pytest.mark.parametrize(
    ("ours", "theirs", "changes", "stopped"),
    [
        ([], EVERY_TENTH, {}, []),
        (EVERY_TENTH, EVERY_TENTH, {}, ["metric"]),
        (EVERY_TENTH[:-1], EVERY_TENTH, {}, ["metric"]),
        (EVERY_TENTH[:-1], EVERY_TENTH, {"certainty": 0.5}, []),
        ([], EVERY_TENTH, {"margin": 0.25}, ["metric"]),
        (list(range(0, 60, 2)), list(range(0, 10, 2)) + list(range(1, 100, 2)), {}, ["classes"]),
        (list(range(0, 60, 2)), list(range(0, 10, 2)) + list(range(1, 100, 2)), {"class_fall": 0.2}, []),
    ],
)
def test_a_version_must_be_better_by_enough_and_lose_no_class(
    ours: list[int], theirs: list[int], changes: dict[str, float], stopped: list[str]
) -> None:
    gate = GATE.model_copy(update={"calibration_rise": 1.0} | changes)
    assert failed(checks.check(duel(answers(ours), answers(theirs)), gate)) == stopped


def test_a_version_that_is_sure_of_its_errors_is_stopped() -> None:
    modest, boastful = answers(EVERY_TENTH, sure=1.4), answers(EVERY_TENTH[:60], sure=9.0)
    found = checks.check(duel(boastful, modest), GATE)
    assert failed(found) == ["calibration"]
    assert found[-1].numbers["new"] == pytest.approx(60 / COUNT, abs=0.01)


def test_answers_that_are_no_numbers_are_looked_at_no_further() -> None:
    broken = answers([])
    broken[3] = np.nan
    [found] = checks.check(duel(broken, answers(EVERY_TENTH)), GATE)
    assert (found.name, found.passed, found.numbers) == ("finite", False, {"bad": 1})


def test_a_metric_that_is_undefined_stops() -> None:
    one_class = duel(answers([]), answers([]), "roc_auc")
    one_class = Duel(**{**vars(one_class), "targets": np.zeros(COUNT, dtype=np.int64)})
    assert "metric" in failed(checks.check(one_class, GATE))


# --- drift


def arrivals(shift: float = 0.0, new_labels: str = "ab", refused: tuple[float, float | None] = (0.0, 0.0)) -> Arrivals:
    """200 samples the champion learnt from and 100 new ones, whose features are moved by `shift`."""
    features = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    features[200:, 0] += shift
    labels = ["ab"[row % 2] for row in range(200)] + [new_labels[row % len(new_labels)] for row in range(100)]
    samples = pd.DataFrame({"id": [str(row) for row in range(300)], "label": labels, "group": None})
    return Arrivals(samples, features, np.arange(200), np.arange(200, 300), refused)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, None),
        ({"shift": 4.0}, "features"),
        ({"new_labels": "aaab"}, None),
        ({"new_labels": "c"}, "labels"),
        ({"refused": (0.3, 0.0)}, "refused"),
        ({"refused": (0.3, None)}, None),
        ({"refused": (0.0, 0.3)}, None),
    ],
)
def test_new_samples_of_another_kind_stop_a_promotion_where_that_is_declared(
    changes: dict[str, Any], named: str | None
) -> None:
    found = drift.check(arrivals(**changes), GATE.drift, seed=1)
    assert found.passed is (named is None), found.told
    assert named is None or f"{drift.WORDS[named]} may be" in found.told
    assert drift.check(arrivals(**changes), Drift(features=None, labels=None, refused=None), seed=1).passed


def test_values_drift_too() -> None:
    same = arrivals()
    values = pd.Series(np.random.default_rng(1).normal(size=300))
    near = drift.check(Arrivals(**{**vars(same), "samples": same.samples.assign(label=values)}), GATE.drift, 1)
    values[200:] += 3
    far = drift.check(Arrivals(**{**vars(same), "samples": same.samples.assign(label=values)}), GATE.drift, 1)
    assert near.passed and not far.passed
    assert far.numbers["labels"] > 0.8 > 0.3 > near.numbers["labels"]


def test_few_new_samples_tell_nothing() -> None:
    few = Arrivals(**{**vars(arrivals(shift=9.0)), "new": np.arange(200, 220)})
    found = drift.check(few, GATE.drift, seed=1)
    assert found.passed and "20 samples came since the champion learnt, too few" in found.told


# --- the throne

TEXTS = [f"red {number}" for number in range(10)]


@pytest.fixture
def params(tiny_dataset: Callable[..., AnyDataset]) -> AnyDataset:
    gate = {"register_.gate.certainty": 0.5, "register_.gate.calibration_rise": 1.0}
    return tiny_dataset("movie-reviews", {"name": NAME, **gate})


@pytest.fixture
def workspace(root: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv(tracking.ADDRESS, raising=False)
    return Workspace(with_database(root), NAME)


def learn(params: AnyDataset, workspace: Workspace, note: str, right: int, learnt: list[str] | None = None) -> None:
    """Register a model that has `right` of 10 test samples right; `learnt`: texts of its train split."""
    write_model(workspace.model(TRAINING), TRAINING, note)
    manifest = write_raw(workspace, TEXTS)
    if learnt:
        whole = write_raw(workspace, [*TEXTS, *(text for text in learnt if text not in TEXTS)])
        whole.loc[whole["text"].isin(learnt), "split"] = "train"
        whole.to_parquet(workspace.prepared / "samples.parquet")
    write_evaluation(workspace, TRAINING, manifest, right)
    register(params, workspace)


def told(workspace: Workspace) -> dict[str, list[str]]:
    return {one["version"]: one["aliases"] for one in registry.versions(workspace.root, NAME)}


def decision(workspace: Workspace, version: str) -> str:
    return str(registry.describe(workspace.root, NAME, version)["decision"])


def test_every_decision_stands_with_its_numbers(params: AnyDataset, workspace: Workspace) -> None:
    learn(params, workspace, "first", 7)
    learn(params, workspace, "second", 9)
    counted = workspace.counters("register")
    assert (counted["alias"], counted["against"]) == ("champion", "1")
    names = ["labels", "unseen", "finite", "metric", "classes", "calibration", "drift"]
    assert [one["name"] for one in counted["checks"]] == names
    metric = counted["checks"][3]
    assert (metric["new"], metric["champion"], metric["margin"]) == (0.9, 0.7, 0.0)
    assert decision(workspace, "2") == counted["reason"]
    with tracking.connected(workspace.root) as client:
        run = registry.listed(client, NAME)[0]["run_id"]
        assert [file.path for file in client.list_artifacts(run, "gate")] == ["gate/version-2.json"]


def test_a_champion_that_was_taught_the_answers_is_not_compared_with(params: AnyDataset, workspace: Workspace) -> None:
    learn(params, workspace, "first", 7, learnt=TEXTS[:3])
    learn(params, workspace, "second", 9)
    assert told(workspace) == {"1": ["champion"], "2": ["challenger"]}
    assert "3 of 10 test samples are among those the champion's training saw" in decision(workspace, "2")


def test_a_person_promotes_and_rolls_back_and_the_gate_does_not_undo_it(
    params: AnyDataset, workspace: Workspace
) -> None:
    learn(params, workspace, "first", 7)
    learn(params, workspace, "second", 6)
    assert told(workspace) == {"1": ["champion"], "2": ["challenger"]}
    throne.promote(workspace.root, NAME, "2", "the new camera")
    assert told(workspace) == {"1": [], "2": ["champion"]}
    assert decision(workspace, "2") == "promoted by hand: the new camera"
    with pytest.raises(RegistryError, match="version 2 is champion already"):
        throne.promote(workspace.root, NAME, "champion", "again")

    lost, got = throne.rollback(workspace.root, NAME, "it misses herons")
    assert (lost["version"], got["version"]) == ("2", "1")
    assert told(workspace) == {"1": ["champion"], "2": []}
    assert decision(workspace, "2") == "rolled back to version 1: it misses herons"
    with pytest.raises(RegistryError, match="version 1 is the only one that ever was champion"):
        throne.rollback(workspace.root, NAME, "once more")

    learn(params, workspace, "second", 9)
    assert told(workspace) == {"1": ["champion"], "2": ["challenger"]}
    assert decision(workspace, "2").startswith("it was rolled back: it misses herons; ")
    throne.promote(workspace.root, NAME, "2", "mended")
    assert told(workspace) == {"1": [], "2": ["champion"]}


def test_a_champion_that_came_meanwhile_is_the_one_to_beat(
    params: AnyDataset, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn(params, workspace, "first", 6)
    learn(params, workspace, "second", 5)
    award, asked = throne.award, []

    def late(root: Path, name: str, version: Any, decided: Any, against: str | None) -> bool:
        asked.append(against)
        if len(asked) == 1:
            throne.promote(root, name, "2", "meanwhile")
        return award(root, name, version, decided, against)

    monkeypatch.setattr(throne, "award", late)
    learn(params, workspace, "third", 8)
    assert asked == ["1", "2"]
    assert told(workspace) == {"1": [], "2": [], "3": ["champion"]}
    assert "against 0.5000" in decision(workspace, "3")


def test_only_what_the_champion_never_answered_is_asked_of_it(
    params: AnyDataset, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.predict import Predictor

    learn(params, workspace, "first", 7)
    monkeypatch.setattr("test_promotion.TEXTS", [*TEXTS[:8], "blue 1", "blue 2"])
    asked: list[int] = []
    outputs = Predictor.outputs

    def counted(self: Predictor, contents: Any, *rest: Any) -> Any:
        asked.append(len(contents))
        return outputs(self, contents, *rest)

    monkeypatch.setattr(Predictor, "outputs", counted)
    learn(params, workspace, "second", 9)
    assert asked == [1, 2]  # the example of the version's page, and the two that are new
