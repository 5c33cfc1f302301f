"""What fine-tuning made of the candidates that `transfer rank` scored."""

from pathlib import Path

import pytest
import studies

from tasks.study import ranking
from tasks.study.gathering import gather
from tasks.study.numbers import Study
from tasks.study.plan import read_plan
from tasks.study.tables import NONE
from tasks.workspace import write_json

SOLAR, OTHER = "solar-cells", "solar-mobilenet-v2"
SCORED = [
    {"backbone": "mobilenet-v2", "layers": None, "logme": -0.3, "h_score": None, "probe": 0.8},
    {"backbone": "efficientnet-lite0", "layers": None, "logme": -0.4, "h_score": None, "probe": 0.9},
    {"backbone": "efficientnet-lite0", "layers": 3, "logme": 0.9, "h_score": 1.0, "probe": 0.9},
]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = studies.write(tmp_path, [SOLAR, OTHER])
    studies.measure(folder, {(f"{SOLAR}-partial", 1.0, 17): 2, (f"{OTHER}-partial", 1.0, 17): 4}, monkeypatch)
    return folder


def gathered(study: Path) -> Study:
    return gather(study, read_plan(study))


def scored(study: Path) -> Study:
    (study / ".local" / "rank").mkdir(parents=True)
    write_json(study / ".local" / "rank" / f"{SOLAR}.json", {"candidates": SCORED})
    return gathered(study)


def test_candidates_meet_the_trainings_that_fine_tuned_them(study: Path) -> None:
    found = ranking.confirmed(scored(study), SOLAR)
    assert [one.training for one in found] == [f"{OTHER}-partial", f"{SOLAR}-partial"]
    assert [one.accuracies for one in found] == [[pytest.approx(8 / 12)], [pytest.approx(10 / 12)]]


def test_agreement_is_one_where_orders_are_alike_and_null_where_none_is_told(study: Path) -> None:
    assert ranking.summary(scored(study)) == {
        SOLAR: {"candidates": 2, "tau_b": {"logme": pytest.approx(-1), "h_score": None, "probe": pytest.approx(1)}}
    }


def test_the_section_shows_both_and_is_empty_before(study: Path) -> None:
    assert ranking.section(gathered(study)) == ""
    text = ranking.section(scored(study))
    row = f"| mobilenet-v2 | all | -0.3000 | {NONE} | 80.0 % | 66.7 % | 1 | `solar-mobilenet-v2-partial` |"
    assert row in text
    assert f"over 2 candidates (Kendall's tau-b): LogME -1.00, H-score {NONE}, linear probe +1.00." in text
    assert "Candidates that stand in no other table are fine-tuned with 1 seed only" in text
