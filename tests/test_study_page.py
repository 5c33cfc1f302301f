"""docs/results.md: its numbers by hand, what it says of a study that is not complete, its commands, its bytes."""

import csv
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import studies
import typer
from studies import TEST, gathered, measure, write

from flows import study as flow
from flows.cli import app
from tasks import config
from tasks.errors import ConfigError
from tasks.study import curves, findings, page, plots, sections, tables
from tasks.study.plan import Curves, Seeds, read_plan

SOLAR, RANDOM, AMAZON = "solar-cells", "solar-random", "movies-to-amazon"
MEASURED = {
    ("solar-cells-head", 1.0, 17): 4,
    ("solar-cells-head", 1.0, 18): 4,
    ("solar-cells-partial", 1.0, 17): 1,
    ("solar-cells-partial", 1.0, 18): 2,
    ("solar-cells-partial", 1.0, 19): 3,
    ("solar-cells-scratch", 1.0, 17): 6,
    ("solar-cells-head", 0.05, 17): 7,
    ("solar-cells-partial", 0.05, 17): 8,
    ("solar-cells-scratch", 0.05, 17): 9,
    ("solar-cells-partial", 0.5, 17): 3,
    ("solar-random-head", 1.0, 17): 2,
    ("solar-random-partial", 1.0, 17): 1,
    ("movies-to-amazon-head", 1.0, 17): 6,
    ("movies-to-amazon-partial", 1.0, 17): 3,
}


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study in which some rows are measured."""
    folder = write(tmp_path, [SOLAR, RANDOM, AMAZON])
    measure(folder, MEASURED, monkeypatch)
    return folder


def cells(table: str) -> dict[str, dict[str, str]]:
    """A Markdown table by the first cell of its rows and the names of its columns."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[2:]}


def test_scores_are_mean_and_deviation_over_the_seeds_there_are(study: Path) -> None:
    table = cells(tables.scores(gathered(study), SOLAR))
    assert list(table) == ["head", "partial", "scratch"]
    shares = 1 - np.array([1, 2, 3]) / 12
    expected = f"{100 * shares.mean():.1f} % ± {100 * shares.std(ddof=1):.1f}"
    assert table["partial"]["accuracy"] == expected == "83.3 % ± 8.3"
    assert table["partial"]["macro-F1"] == "82.3 % ± 8.3"
    assert [row["seeds"] for row in table.values()] == ["2", "3", "1"]
    assert table["scratch"]["accuracy"] == "50.0 %"
    assert table["head"]["accuracy"] == "66.7 % ± 0.0"
    assert table["head"]["over the head"] == tables.NONE


def test_a_difference_is_paired_over_the_seeds_both_have_and_groups_are_drawn_whole(study: Path) -> None:
    found = gathered(study).difference("solar-cells-partial", "solar-cells-head")
    assert found is not None
    samples = np.arange(12)
    partial = np.mean([samples >= 1, samples >= 2], axis=0)
    gained = partial - (samples >= 4)
    assert found["value"] == pytest.approx(gained.mean())
    assert found["value"] == pytest.approx((4 - 1.5) / 12)
    # 12 samples in 4 groups of 3: a resample is 4 groups, so its mean is that of 4 group means.
    groups = gained.reshape(4, 3).mean(axis=1)
    drawn = np.random.default_rng(17).integers(4, size=(1000, 4))
    low, high = np.quantile(groups[drawn].mean(axis=1), [0.025, 0.975])
    assert (found["low"], found["high"]) == (pytest.approx(low), pytest.approx(high))
    table = cells(tables.scores(gathered(study), SOLAR))
    assert table["partial"]["over the head"] == f"+20.8 ({100 * low:+.1f} to {100 * high:+.1f})"
    assert table["head"]["over scratch"].startswith("+16.7 (")


def test_costs_are_means_and_memory_the_highest(study: Path) -> None:
    row = cells(tables.costs(gathered(study), SOLAR))["partial"]
    assert row["parameters that learn"] == "1,925 of 4,000"
    assert (row["minutes of one core"], row["seconds"], row["memory, MiB"]) == ("1.0", "32", "1,003")
    assert row["best epoch"] == "1, 2, 3 of 8"
    assert cells(tables.costs(gathered(study), SOLAR))["head"]["best epoch"] == tables.NONE


def test_measurements_with_other_parameters_are_passed_over(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure(study, {("solar-cells-scratch", 1.0, 17): 12}, monkeypatch, epochs=99)
    assert gathered(study).values("solar-cells-scratch", "accuracy") == [0.5]


def test_curves_count_seeds_where_some_are_missing(study: Path) -> None:
    table = cells(tables.curves(gathered(study, seeds=Seeds(rows=3, curves=3, candidates=1)), SOLAR))
    assert [column for column in table["partial"] if column.startswith("5 %")] == ["5 % (3)"]
    assert table["partial"]["5 % (3)"] == "33.3 % (1)"
    assert table["head"]["100 % (20)"] == "66.7 % ± 0.0 (2)"
    assert table["scratch"]["10 %"] == tables.NONE
    assert cells(tables.curves(gathered(study), SOLAR))["partial"]["5 % (3)"] == "33.3 %"


def test_what_curves_show_is_said_while_it_holds(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = "With 50 % of the labels partial reaches 75.0 %; scratch reaches 50.0 % with all of them."
    turn = "Up to 5 % of the labels head is ahead of partial, from 100 % on partial is."
    said = list(findings.of_curves(gathered(study), SOLAR))
    assert few in said and turn in said
    assert not any(line.startswith("The lead of partial") for line in said)
    better = {("solar-cells-scratch", 1.0, 18): 0, ("solar-cells-scratch", 1.0, 19): 0}
    measure(study, better | {("solar-cells-head", 0.5, 17): 0}, monkeypatch)
    said = list(findings.of_curves(gathered(study), SOLAR))
    assert few not in said and turn not in said
    lead = "The lead of partial over scratch is +8.3 points with 5 % of the labels and +0.0 with all."
    assert lead in said


def test_strategies_are_better_only_where_the_interval_says_so(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = list(findings.of_dataset(gathered(study), SOLAR))
    assert said[0] == "Highest mean: partial, 83.3 %."
    assert said[1] == "Against the frozen head, not told apart: partial +20.8, scratch -16.7."
    more = {("solar-cells-full", 1.0, 19): 0, ("solar-cells-scratch", 1.0, 19): 12, ("solar-cells-lora", 1.0, 17): 12}
    measure(study, more, monkeypatch)
    said = list(findings.of_dataset(gathered(study), SOLAR))
    assert said[1].endswith("not told apart: partial +20.8, scratch -16.7; worse: lora -66.7.")
    assert said[2].startswith("Against scratch, better: ") and "full +100.0" in said[2].split(";")[0]


def test_the_random_split_stands_beside_the_grouped_one(study: Path) -> None:
    text = sections.splits(gathered(study), set())
    row = next(line for line in text.splitlines() if line.startswith("| `solar-random-head`"))
    assert "| 1 and 2 | 83.3 % |" in row and "| 66.7 % ± 0.0 |" in row and row.endswith("| +16.7 |")
    assert "On the random split each looks better: head by +16.7 points, partial by +8.3 points." in text
    assert "The two intervals of head overlap: the test splits are small." in text


def test_another_domain_stands_beside_the_own(study: Path) -> None:
    text = sections.domains(gathered(study), set())
    row = next(line for line in text.splitlines() if line.startswith("| `movies-to-amazon-head`"))
    assert "| 1 | 75.0 % | 50.0 % |" in row and row.endswith("| -25.0 |")
    assert "in points: head -25.0, partial -12.5." in text


@pytest.mark.parametrize(("aim", "verdict"), [(0.8, "reached"), (0.84, "missed by 0.67 points")])
def test_an_aim_is_reached_or_missed(study: Path, aim: float, verdict: str) -> None:
    aims = {"solar-cells-partial": {"accuracy": aim}, "mandarin-tones-partial": {"accuracy": 0.98}}
    text = sections.aims(gathered(study, aims=aims))
    row = f"| `solar-cells-partial` | accuracy | {100 * aim:g} % | 83.33 % ± 8.33 | 3 | {verdict} |"
    assert text.splitlines()[-1] == row


def test_what_is_missing_is_listed_with_its_command(study: Path) -> None:
    text = sections.missing(gathered(study))
    assert (
        "| `solar-cells-scratch` | 100 % | 1 of 3 | `transfer measure solar-cells-scratch --seeds 3 --test` |" in text
    )
    assert "| `solar-cells-head` | 10 % | 0 of 1 |" in text
    assert "`solar-cells-partial` | 100 %" not in text
    small: dict[str, Any] = {"strategies": {SOLAR: ["partial"]}, "shifts": [], "recipes": [], "backbones": {}}
    assert not sections.missing(gathered(study, **small, curves=Curves(shares=[], trainings={})))


def test_every_command_on_the_page_can_be_typed(study: Path) -> None:
    text = page.write(study.parent, study, read_plan(study)).read_text()
    known, group = config.load(study).trainings, typer.main.get_command(app)
    found = re.findall(r"^(?:\|.*`)?(transfer [^`\n]+)", text, re.MULTILINE)
    seeds = {(row.training, row.share): row.seeds for row in read_plan(study).rows()}
    named = set()
    for line in found:
        _, name, *arguments = shlex.split(line)
        context = group.commands[name].make_context(name, arguments)  # type: ignore[attr-defined]
        assert (
            context.params["seeds"] == seeds[context.params["training"], context.params["share"]]
            and context.params["test"]
            and context.params["folds"] == 0
        )
        named.add(context.params["training"])
    assert named == {training for training, _ in seeds} and named <= set(known)
    prepare = "for stage in ingest preprocess extract; do python -m tasks $stage solar-cells; done"
    assert prepare in text.split("```\ncd study\n")[1].splitlines()


def test_every_link_on_the_page_leads_somewhere(study: Path) -> None:
    written = page.write(study.parent, study, read_plan(study))
    text = written.read_text()
    targets = re.findall(r"\]\(([^)#]+)\)", text)
    assert {"results/solar-cells.png", "results/curves.png", "results/splits.png", "results/shifts.png"} < set(targets)
    assert all((written.parent / target).exists() for target in targets)
    headings = {line.lstrip("# ").lower().replace(" ", "-") for line in text.splitlines() if line.startswith("#")}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings


def test_the_same_measurements_give_the_same_bytes_and_old_pictures_go(study: Path) -> None:
    def written() -> dict[str, bytes]:
        page.write(study.parent, study, read_plan(study))
        docs = study.parent / "docs"
        return {str(path.relative_to(docs)): path.read_bytes() for path in docs.rglob("*") if path.is_file()}

    first = written()
    (study.parent / "docs" / "results" / "old.png").write_bytes(b"")
    assert written() == first
    assert all(len(content) < 150_000 for name, content in first.items() if name.endswith(".png"))


def test_each_measurement_is_a_line_of_the_csv(study: Path) -> None:
    page.write(study.parent, study, read_plan(study))
    with (study.parent / "docs" / "results.csv").open() as stream:
        lines = {(one["training"], float(one["share"]), int(one["seed"])): one for one in csv.DictReader(stream)}
    assert lines.keys() == MEASURED.keys()
    for key, wrong in MEASURED.items():
        assert float(lines[key]["test_accuracy"]) == pytest.approx(1 - wrong / len(TEST), abs=1e-6)
    one = lines["solar-cells-partial", 1.0, 17]
    assert (one["samples_train"], one["parameters_trained"], one["core_seconds"]) == ("20", "1925", "61.0")
    assert one.keys() >= {"dataset", "strategy", "fold", "validation_accuracy", "peak_mebibytes", "commit"}


def test_nothing_measured_is_a_page_too(tmp_path: Path) -> None:
    folder = write(tmp_path, [])
    assert flow.results(tmp_path, page_only=True, jobs=None) == 0
    assert "Nothing is measured yet: `make results`" in (tmp_path / "docs" / "results.md").read_text()
    assert (folder.parent / "docs" / "results.csv").read_text().strip() == ""


@pytest.mark.parametrize(
    "only",
    [{"solar-cells-scratch": 17}, {"solar-random-head": 17}, {"movies-to-amazon-partial": 18}],
    ids=lambda only: next(iter(only)),
)
def test_one_measurement_is_enough_for_a_page(
    only: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path, [SOLAR, RANDOM, AMAZON])
    measure(folder, {(name, 1.0, seed): 3 for name, seed in only.items()}, monkeypatch)
    text = page.write(tmp_path, folder, read_plan(folder)).read_text()
    assert "**This study is not complete**: 1 of " in text
    assert "75.0 %" in text and "nan" not in text and "±" not in text.partition("## How to read it")[0]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("aims: {solar-cells-parzial: {accuracy: 0.9}}", "aims.solar-cells-parzial.*Did you mean solar-cells-partial"),
        ("aims: {solar-cells-partial: {acuracy: 0.9}}", "aims.solar-cells-partial.acuracy"),
        ("beside: {solar-randon: solar-cells}", "solar-randon.*Did you mean solar-random"),
    ],
)
def test_a_plan_that_names_what_there_is_not_is_refused(line: str, told: str, tmp_path: Path) -> None:
    folder = write(tmp_path, [])
    text = (folder / "plan.yaml").read_text()
    key = line.partition(":")[0]
    changed = re.sub(rf"^{key}:.*\n(?:  .*\n)*", f"{line}\n", text, flags=re.MULTILINE)
    (folder / "plan.yaml").write_text(changed)
    with pytest.raises(ConfigError, match=told):
        read_plan(folder)


def test_names_beside_lines_do_not_overlap() -> None:
    moved = curves.apart({"a": 0.9, "b": 0.91, "c": 0.3, "d": 0.905}, 0.05)
    assert sorted(moved, key=lambda name: moved[name]) == ["c", "a", "d", "b"]
    assert np.diff(sorted(moved.values())).min() >= 0.05 - 1e-9
    assert all(abs(moved[name] - height) < 0.06 for name, height in {"a": 0.9, "b": 0.91, "d": 0.905}.items())


def test_the_repository_plan_asks_for_three_seeds_of_each_strategy() -> None:
    plan = read_plan(studies.REPOSITORY / "study")
    assert plan.seeds.rows >= 3 and len(plan.strategies) == 3
    assert all(set(names) == set(plots.MARKS) for names in plan.strategies.values())
    assert all(plan.about.keys() >= {name} for name in plan.strategies)
