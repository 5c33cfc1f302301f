"""The bench's own arithmetic: what repeated measurements come to, in which order, what is kept when it is stopped."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from project import REPOSITORY

from bench import __main__ as bench
from bench import copies, numbers, page, results, sets
from bench.contestant import asked
from bench.kept import Shelf, fingerprint
from bench.order import interleaved
from bench.plan import PLAN, Contestant, Plan, Scale, Suite, read_plan
from bench.running import FailedError, run
from bench.scale import slopes
from bench.session import Session
from tasks.config import load
from tasks.errors import ConfigError

RIVAL = {"module": "bench.rivals.tfidf", "environment": None, "training": None, "way": None}


def contestant(says: str, steps: list[str], again: list[str]) -> Contestant:
    return Contestant(says=says, steps=steps, again=again, **RIVAL)


def suite(*names: str) -> Suite:
    """Return a suite whose first contestant remembers; the others run again where the head is changed."""
    first, *others = names
    told = {first: contestant(first, ["cold", "noop", "head", "one"], [])}
    told |= {name: contestant(name, ["cold", "noop", "one"], ["head"]) for name in others}
    return Suite(
        says="Texts",
        dataset="movie-reviews",
        rows=40,
        recipe="movie-reviews-head",
        seconds_limit=5,
        reference=first,
        contestants=told,
    )


def plan(*names: str, repeats: int = 3) -> Plan:
    scale = Scale(datasets=[], sizes=[1], side=8, pictures="solar-cells", noop_files=1)
    return Plan(repeats=repeats, threads=1, limit_seconds=60, suites={"text": suite(*names)}, scale=scale)


# --- arithmetic


def test_the_median_of_an_even_number_lies_between() -> None:
    assert numbers.middle([9.0, 1.0, 3.0, 5.0]) == 4.0
    assert numbers.middle([]) is None


@pytest.mark.parametrize(("theirs", "ours", "expected"), [(6.0, 2.0, 3.0), (None, 2.0, None), (6.0, None, None)])
def test_a_ratio_needs_both(theirs: float | None, ours: float | None, expected: float | None) -> None:
    assert numbers.ratio(theirs, ours) == expected


def test_accuracy_counts_what_is_not_answered_as_wrong() -> None:
    labels = {str(number): "a" for number in range(10)}
    answers = {str(number): "a" for number in range(7)} | {"7": "b", "stranger": "a"}
    found = numbers.accuracy(answers, labels, {name: name for name in labels})
    assert found["value"] == pytest.approx(0.7)
    assert found["low"] < 0.7 < found["high"]


def test_groups_that_err_together_widen_the_interval() -> None:
    labels = {str(number): "a" for number in range(100)}
    answers = {name: "a" if int(name) < 50 else "b" for name in labels}
    alone = numbers.accuracy(answers, labels, {name: name for name in labels})
    together = numbers.accuracy(answers, labels, {name: str(int(name) // 10) for name in labels})
    assert together["high"] - together["low"] > 2 * (alone["high"] - alone["low"])


def test_the_slope_is_the_power_of_growth() -> None:
    sizes = [250, 1000, 4000]
    assert numbers.slope(sizes, [0.1 * size for size in sizes]) == pytest.approx(1)
    assert numbers.slope(sizes, [size**2 for size in sizes]) == pytest.approx(2)
    assert numbers.spread([100.0, 110.0, 105.0]) == pytest.approx(0.1)


def test_slopes_take_the_sizes_in_their_order() -> None:
    stages = ("ingest", "preprocess", "extract")
    sizes = {
        size: {stage: {"seconds": 2.0 * int(size), "tree_mebibytes": 100} for stage in stages}
        for size in ("1000", "250", "16000")
    }
    found = slopes({**sizes, "noop": {"files": 3}})
    assert found["extract"] == pytest.approx({"slope": 1.0, "memory_spread": 0.0})


# --- order


def test_everyone_goes_first_once() -> None:
    order = list(interleaved(["a", "b", "c"], 3))
    assert [name for _, name in order] == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]
    assert [repeat for repeat, _ in order] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert list(interleaved([], 2)) == []


# --- what is kept


def test_a_stopped_bench_goes_on_after_the_last_whole_step(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "now")
    steps = ["cold", "noop", "head"]
    assert shelf.missing(steps) == steps
    shelf.begin("cold")
    shelf.keep("cold", {"seconds": 1.0})
    assert shelf.missing(steps) == ["noop", "head"]
    assert shelf.take("cold") == {"seconds": 1.0}


def test_a_step_stopped_half_way_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "now")
    shelf.keep("cold", {"seconds": 1.0})
    shelf.begin("noop")
    assert shelf.missing(["cold", "noop"]) == ["cold", "noop"]


def test_what_other_code_measured_does_not_count(tmp_path: Path) -> None:
    Shelf(tmp_path, "before").keep("cold", {"seconds": 1.0})
    assert Shelf(tmp_path, "now").take("cold") is None
    Shelf(tmp_path, "now").keep("noop", {"seconds": 1.0})
    assert Shelf(tmp_path, "now").missing(["cold", "noop"]) == ["cold", "noop"]


def test_a_fingerprint_changes_with_a_file_and_with_the_plan(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("1")
    first = fingerprint([file], {"rows": 1})
    assert fingerprint([file], {"rows": 1}) == first != fingerprint([file], {"rows": 2})
    file.write_text("2")
    assert fingerprint([file], {"rows": 1}) != first


def test_who_fails_in_one_suite_is_measured_in_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[str, int]] = []

    def fails(session: Session) -> None:
        tried.append((session.suite_name, session.repeat))
        raise FailedError("out of order")

    monkeypatch.setattr(Session, "measure", fails)
    monkeypatch.setattr(sets, "export", lambda *_: tmp_path)
    made = plan("ours", repeats=2)
    made = made.model_copy(update={"suites": {"first": suite("ours"), "second": suite("ours")}})
    assert bench.measure(tmp_path, made, ["first", "second"]) == ["ours", "ours"]
    assert tried == [("first", 0), ("second", 0)]


# --- samples


def table(rows: int) -> pd.DataFrame:
    splits = ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    return pd.DataFrame(
        {"id": f"{row:05}", "label": "ab"[row % 2], "split": splits[row // 2 % 10]} for row in range(rows)
    )


def test_a_part_has_each_split_and_label_in_its_share() -> None:
    part = sets.chosen(table(2000), 200)
    assert part.groupby(["split", "label"]).size().to_dict() == {
        ("test", "a"): 20, ("test", "b"): 20, ("train", "a"): 60,
        ("train", "b"): 60, ("validation", "a"): 20, ("validation", "b"): 20,
    }  # fmt: skip
    assert part.equals(sets.chosen(table(2000), 200))


def test_what_comes_later_is_one_per_cent_and_of_the_train_split() -> None:
    marked = sets.with_extra(table(400))
    later = marked[marked["extra"] == "later"]
    assert len(later) == 4 and set(later["split"]) == {"train"}


def test_a_copied_picture_looks_the_same_and_has_other_bytes() -> None:
    written = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(written, "PNG")
    first, second = (copies.changed(written.getvalue(), ".png", copy) for copy in (1, 2))
    assert first != second
    with Image.open(io.BytesIO(second)) as picture:
        picture.verify()
    assert np.array_equal(Image.open(io.BytesIO(first)), Image.open(io.BytesIO(written.getvalue())))


def test_as_many_samples_as_wanted_and_no_two_alike(tmp_path: Path) -> None:
    samples = pd.DataFrame({"content": ["good", "bad"], "label": ["a", "b"], "group": ["1", "2"], "split": "train"})
    copies.write(samples, None, 5, tmp_path / "own")
    written = pd.read_csv(tmp_path / "own" / "table.csv")
    assert written["content"].tolist() == ["good", "bad", "good 1", "bad 1", "good 2"]
    assert written["label"].tolist() == ["a", "b", "a", "b", "a"]


# --- processes


def test_a_process_is_timed_with_the_memory_of_what_it_started(tmp_path: Path) -> None:
    inner = "import time; held = b'x' * 80_000_000; time.sleep(2.5)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}], check=True)"
    spent = run([sys.executable, "-c", outer], tmp_path, {}, tmp_path / "log.txt", 30)
    assert spent.seconds > 2.5
    assert spent.tree_mebibytes >= spent.process_mebibytes > 76


def test_a_process_that_takes_too_long_is_stopped_with_all_it_started(tmp_path: Path) -> None:
    inner = f"import time, pathlib; time.sleep(3); pathlib.Path({str(tmp_path / 'late')!r}).touch()"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}], start_new_session=True)"
    with pytest.raises(FailedError, match=r"was stopped after 0\.5 s; what it said is in .*log\.txt"):
        run([sys.executable, "-c", outer], tmp_path, {}, tmp_path / "log.txt", 0.5)
    assert not (tmp_path / "late").exists()


def test_a_process_that_fails_is_named_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(FailedError, match="ended with code 3; what it said is in"):
        run([sys.executable, "-c", "print('why'); exit(3)"], tmp_path, {}, tmp_path / "log.txt", 30)
    assert (tmp_path / "log.txt").read_text() == "why\n"


def test_a_loaded_model_is_timed_without_its_first_answer() -> None:
    calls: list[int] = []

    def ask(contents: list[str]) -> list[str]:
        calls.append(len(contents))
        if len(calls) == 1:
            _wait()
        return contents

    found = asked(ask, ["a", "b"])
    assert found["first_seconds"] > 0.05 > found["warm_seconds"]
    assert set(calls) == {2}


def _wait() -> None:
    import time

    time.sleep(0.06)


# --- the page


def kept(root: Path, made: Plan, name: str, seconds: list[float], accuracy: list[float]) -> None:
    """Keep measurements as if they had been made, one a repeat."""
    for repeat, (took, right) in enumerate(zip(seconds, accuracy, strict=True)):
        shelf = Session(root, made, "text", made.suites["text"], name, root / "set", repeat).shelf
        common = {"at": f"2026-11-2{repeat} 10:00:00", "process_mebibytes": 900, "tree_mebibytes": 1024 * took}
        interval = {"value": right, "low": right - 0.1, "high": right + 0.1}
        shelf.keep("cold", {**common, "seconds": took, "accuracy": interval})
        shelf.keep("head", {**common, "seconds": took / 2})
        shelf.keep("one", {**common, "seconds": 5.0, "warm_seconds": took / 100})


@pytest.fixture
def found(tmp_path: Path) -> dict[str, Any]:
    """Results of two contestants, one of them measured twice only."""
    (tmp_path / "set").mkdir()
    table(20).assign(content="x", group="", extra="").to_csv(tmp_path / "set" / "table.csv", index=False)
    (tmp_path / "bench").symlink_to(REPOSITORY / "bench")
    made = plan("ours", "theirs")
    kept(tmp_path, made, "ours", [2.0, 9.0, 1.0], [0.8, 0.7, 0.9])
    kept(tmp_path, made, "theirs", [5.0, 3.0], [0.6, 0.5])
    return results.gather(tmp_path, made, {"text": tmp_path / "set"})


def test_results_are_medians_beside_the_reference(found: dict[str, Any]) -> None:
    ours, theirs = (found["suites"]["text"]["contestants"][name] for name in ("ours", "theirs"))
    assert ours["steps"]["cold"] == {"seconds": 2.0, "all": [2.0, 9.0, 1.0], "times_ours": 1.0}
    assert theirs["steps"]["cold"]["times_ours"] == 2.0
    assert theirs["steps"]["noop"]["seconds"] is None
    assert ours["accuracy"]["value"] == 0.8 and theirs["accuracy"]["value"] == 0.5
    assert ours["steps"]["one"]["seconds"] == pytest.approx(0.02)
    assert found["measured"] == {"first": "2026-11-20 10:00:00", "last": "2026-11-22 10:00:00"}
    json.dumps(found)


def test_the_table_has_a_row_each_and_nothing_where_nothing_was_measured(found: dict[str, Any]) -> None:
    lines = page.table(found["suites"]["text"]).splitlines()
    assert lines[2] == "| ours | 80.0 % (70.0 % to 90.0 %) | 2.0 s |  | 1.0 s |  | 20 ms |  | 2.0 GiB |"
    assert lines[3].startswith(
        "| theirs | 50.0 % (40.0 % to 60.0 %) | 4.0 s (2.0 x) |  | again, 4.0 s (4.0 x) |  | 40 ms (2.0 x)"
    )
    assert "Measured 2026-11-20 to 2026-11-22 on " in page.tables(found)


def test_who_was_not_measured_has_no_row_and_a_suite_without_its_reference_no_table(found: dict[str, Any]) -> None:
    suite = found["suites"]["text"]
    for step in suite["contestants"]["theirs"]["steps"].values():
        step["all"] = []
    assert "| ours |" in page.tables(found) and "theirs" not in page.tables(found)
    for step in suite["contestants"]["ours"]["steps"].values():
        step["all"] = []
    assert suite["says"] not in page.tables(found) and "| ours |" not in page.summary(found)


def test_the_summary_has_all_first_models_in_one_table(found: dict[str, Any]) -> None:
    lines = page.summary(found).splitlines()[2:]
    assert lines[0] == "| data set |  | test accuracy (95 % interval) | first model | another head | 1 % more data |"
    assert lines[2] == "| `movie-reviews` | ours | 80.0 % (70.0 % to 90.0 %) | 2.0 s | 1.0 s |  |"
    assert lines[3] == "|  | theirs | 50.0 % (40.0 % to 60.0 %) | 4.0 s (2.0 x) | again, 4.0 s (4.0 x) |  |"


def test_a_micro_bench_tells_samples_a_second_and_seconds_an_epoch() -> None:
    ours = {"samples": 100, "preprocess": 1.0, "extract": 1.0, "epoch": 2.0, "more": 0.5}
    theirs = {"samples": 100, "preprocess": 0.0, "extract": 4.0, "epoch": 5.0}
    engine = {"samples": 100, "preprocess": 1.0, "extract": 0.5, "likeness": 0.99871}
    all_three = {"ours": ours, "theirs": theirs, "engine": engine}
    told = {name: {"says": name, "measured": one} for name, one in all_three.items()}
    lines = page.phases({"reference": "ours", "contestants": told}).splitlines()
    assert lines[2] == "| ours | 100.0 /s | 100.0 /s | 50.0 /s | 0.5 s | 2.0 s |  |"
    assert lines[3] == "| theirs |  | 25.0 /s (4.0 x) | 25.0 /s (2.0 x) | 4.0 s (8.0 x) | 5.0 s (2.5 x) |  |"
    assert lines[4] == "| engine | 100.0 /s (1.0 x) | 200.0 /s (0.5 x) | 66.7 /s (0.8 x) |  |  | 0.9987 |"


def test_only_what_stands_between_the_markers_is_replaced(tmp_path: Path) -> None:
    written = tmp_path / "page.md"
    written.write_text(f"by hand\n{page.BEGIN}\nold\n{page.END}\nbelow\n")
    page.put(written, "new")
    page.put(written, "newer")
    assert written.read_text() == f"by hand\n{page.BEGIN}\nnewer\n{page.END}\nbelow\n"
    written.write_text("by hand")
    with pytest.raises(ConfigError, match="write them where the tables belong"):
        page.put(written, "new")


def test_what_the_bench_holds_itself_is_not_counted(tmp_path: Path) -> None:
    held = bytearray(500 * 2**20)
    asked = [sys.executable, "-c", "import time; time.sleep(1.5)"]
    spent = run(asked, tmp_path, dict(os.environ), tmp_path / "log.txt", 30)
    assert 1 < spent.process_mebibytes < 200 < len(held) / 2**20


# --- the plan


def test_the_plan_names_what_there_is() -> None:
    made, config = read_plan(PLAN), load(REPOSITORY)
    for one in made.suites.values():
        assert one.dataset in config.datasets and config.trainings[one.recipe].dataset == one.dataset
        for name, told in one.contestants.items():
            assert (REPOSITORY / told.module.replace(".", "/")).with_suffix(".py").exists(), name
            assert told.training is None or config.trainings[told.training].dataset == one.dataset
            if told.environment:
                assert (REPOSITORY / "bench" / "environments" / f"{told.environment}.txt").exists()
            assert not set(told.steps) & set(told.again)
    assert made.repeats >= 3


def test_a_plan_without_its_reference_is_refused(tmp_path: Path) -> None:
    written = tmp_path / "plan.yaml"
    written.write_text(PLAN.read_text().replace("reference: ours-head", "reference: nobody", 1))
    with pytest.raises(ConfigError, match=r"suites\.text\.reference: no contestant is called 'nobody'"):
        read_plan(written)


@pytest.mark.integration
def test_the_bench_measures_ours_and_a_rival_on_real_texts(tmp_path: Path) -> None:
    ours = {"says": "ours", "module": "bench.ours.answering", "environment": None, "again": []}
    made = {
        "repeats": 1, "threads": 1, "limit_seconds": 900,
        "suites": {"check": {
            "says": "Texts", "dataset": "movie-reviews", "rows": 200, "recipe": "movie-reviews-head",
            "seconds_limit": 60, "reference": "ours",
            "contestants": {
                "ours": {**ours, "training": "movie-reviews-head", "way": "stages", "steps": ["cold", "head", "one"]},
                "tf-idf": {**RIVAL, "says": "TF-IDF", "steps": ["cold", "more", "one", "many"], "again": ["head"]},
            },
        }},
        "scale": {"datasets": [], "sizes": [1], "side": 8, "pictures": "solar-cells", "noop_files": 1},
    }  # fmt: skip
    (tmp_path / "plan.yaml").write_text(json.dumps(made))
    (tmp_path / "performance.md").write_text(f"{page.BEGIN}\n{page.END}\n")
    command = [sys.executable, "-m", "bench", "check", "--plan", str(tmp_path / "plan.yaml"), "--docs", str(tmp_path)]
    shutil.rmtree(REPOSITORY / ".local" / "bench" / "measurements" / "check", ignore_errors=True)
    first = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    told = json.loads((tmp_path / "performance.json").read_text())["suites"]["check"]["contestants"]
    assert told["ours"]["accuracy"]["value"] > 0.6 and told["tf-idf"]["accuracy"]["value"] > 0.4
    assert told["ours"]["steps"]["one"]["seconds"] < told["ours"]["steps"]["cold"]["seconds"]
    assert "| TF-IDF |" in (tmp_path / "performance.md").read_text()
    again = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert again.returncode == 0 and again.stderr == ""
