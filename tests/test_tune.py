"""A search: which trials it draws, which it ends early, what it remembers of them and what it writes down."""

import math
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from project import PARAMS, environment, write_texts
from project import backbone as write_backbone
from tracked import with_database

from flows import tuning
from tasks import config, stages
from tasks.config import read_yaml
from tasks.errors import ConfigError, TrainingError
from tasks.experiments import measure, tune
from tasks.experiments.measure import Measured, Part
from tasks.experiments.trials import Trials, Tried
from tasks.neural.training import Listener
from tasks.records import journal, tracking
from tasks.schema import Choices, Search
from tasks.workspace import Workspace

TRIALS = 9


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of texts that is ingested, prepared and featurised."""
    root = tmp_path_factory.mktemp("tune")
    (root / "params.yaml").write_text(PARAMS.replace("SHA256", write_backbone(root / "backbone")))
    write_texts(root / "texts" / "colours.csv", 120)
    for stage in ("ingest", "preprocess", "extract"):
        stages.run(root, stage, "colours")
    return root


@pytest.fixture
def workspace(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of the project, with an MLflow database of its own."""
    monkeypatch.delenv(tracking.ADDRESS, raising=False)
    return Workspace(with_database(Path(shutil.copytree(made, tmp_path / "project"))), "colours")


class Fake:
    """Stands in for the measurement: the loss falls to a floor that is lowest at a head rate of 0.001 and 2 blocks.

    It goes on behind the last epoch it was killed after, as the real one does.
    """

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.parts: list[Part] = []
        self.deadly: tuple[int, int, type[BaseException]] | None = None
        self.kept: tuple[Any, int] = (None, 0)

    def __call__(self, params: Any, workspace: Workspace, part: Part, listen: Listener) -> Measured:
        self.asked.append(params)
        self.parts.append(part)
        first = self.kept[1] if self.kept[0] == params else 0
        for epoch in range(first, params.epochs + 1):
            if self.deadly and self.deadly[:2] == (len(self.asked), epoch):
                self.kept = (params, epoch)
                raise self.deadly[2]("out of memory")
            listen({"train_loss": 1.0, "loss": self.loss(params, epoch), "accuracy": None}, epoch)
        scores: Any = {"validation": {"loss": self.loss(params, params.epochs), "accuracy": None}}
        return Measured(scores, np.zeros((0, 2), np.float32), {}, [], params.epochs, 1.0, 1.0, 1)

    @staticmethod
    def loss(params: Any, epoch: int) -> float:
        floor = abs(math.log10(params.learning_rates.head) + 3) + (params.blocks == 1) * 0.25
        return floor + 1 / (epoch + 1) + 0.5 * (epoch == 2 < params.epochs)  # after epoch 2 the best one lies behind


def searched(
    workspace: Workspace, fake: Fake, trials: int = TRIALS, deadline: float = math.inf, **changes: Any
) -> Trials:
    """Search with the fake, as params.yaml says but for some changes."""
    loaded = config.load(workspace.root)
    search = loaded.searches["colours"].model_copy(update={"trials": trials, "warmup_epochs": 2, **changes})
    training: Any = loaded.trainings[search.training].model_copy(update={"epochs": 3})
    return tune.tune(search, training, workspace, deadline, fake, lambda *_: None)


def plain(study: Trials) -> list[Tried]:
    """What was tried, without the time it took."""
    return [trial._replace(seconds=0.0) for trial in study.tried()]


def test_a_search_starts_from_the_training_and_finds_a_better_one(workspace: Workspace) -> None:
    fake = Fake()
    study = searched(workspace, fake)
    first, *others = study.tried()
    assert (len(fake.asked), first.changes, fake.asked[0]) == (TRIALS, {}, study.training)
    for trial, params in zip(others, fake.asked[1:], strict=True):
        assert set(trial.changes) == {"learning_rates.head", "blocks"}
        assert params.learning_rates.head == trial.changes["learning_rates.head"]
        assert 0.0001 <= params.learning_rates.head <= 0.1
        assert float(f"{params.learning_rates.head:.3g}") == params.learning_rates.head
        assert isinstance(trial.changes["blocks"], int) and params.blocks in (1, 2)
    best = study.ranked()[0]
    assert best.score == min(trial.score or 9.0 for trial in study.tried() if not trial.pruned)
    assert best.score < (first.score or 0.0)


def test_a_trial_that_stays_behind_is_cut_short_but_not_too_early(workspace: Workspace) -> None:
    study = searched(workspace, Fake())
    cut = [trial for trial in study.tried() if trial.pruned]
    assert cut
    assert all(trial.number > study.search.startup and trial.epoch == 2 for trial in cut)
    assert {trial.number for trial in cut}.isdisjoint(trial.number for trial in study.ranked())


@pytest.fixture(scope="module")
def whole(made: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Tried]:
    """What a search tries that nobody interrupts."""
    root = with_database(Path(shutil.copytree(made, tmp_path_factory.mktemp("whole") / "project")))
    return plain(searched(Workspace(root, "colours"), Fake()))


def test_the_same_search_draws_the_same_trials(workspace: Workspace, whole: list[Tried]) -> None:
    assert plain(searched(workspace, Fake())) == whole
    assert plain(searched(workspace, Fake(), seed=2)) != whole


@pytest.mark.parametrize(
    ("trial", "epoch", "death"),
    [(1, 0, SystemExit), (1, 2, KeyboardInterrupt), (5, 2, SystemExit), (6, 1, KeyboardInterrupt)],
)
def test_killed_anywhere_it_goes_on_as_if_nothing_had_been(
    workspace: Workspace, whole: list[Tried], trial: int, epoch: int, death: type[BaseException]
) -> None:
    fake = Fake()
    fake.deadly = (trial, epoch, death)
    with pytest.raises(death):
        searched(workspace, fake)
    assert plain(searched(workspace, fake)) == whole
    assert len(fake.asked) == TRIALS + 1


def test_a_search_that_is_over_trains_nothing_and_more_trials_go_on(workspace: Workspace, whole: list[Tried]) -> None:
    fake = Fake()
    searched(workspace, fake, trials=4)
    searched(workspace, fake, trials=4)
    assert len(fake.asked) == 4
    assert plain(searched(workspace, fake)) == whole


def test_no_trial_begins_after_the_deadline(workspace: Workspace) -> None:
    fake = Fake()
    for count in (1, 1):
        searched(workspace, fake, deadline=time.monotonic())
        assert len(fake.asked) == count


def test_another_search_or_other_samples_are_another_study(workspace: Workspace) -> None:
    loaded, names = config.load(workspace.root), set()
    search, training = loaded.searches["colours"], loaded.trainings["colours-partial"]

    def name(search: Search, training: Any) -> str:
        return Trials(search, training, workspace).name

    assert name(search, training) == name(search.model_copy(update={"trials": 99}), training)
    names.add(name(search, training))
    names.add(name(search.model_copy(update={"seed": 5}), training))
    names.add(name(search, training.model_copy(update={"batch_size": 8})))
    for folder in (workspace.prepared, workspace.features):
        (folder / "files.json").write_text("{}")
        names.add(name(search, training))
    assert len(names) == 5


def test_a_choice_can_be_a_whole_section(workspace: Workspace) -> None:
    fake = Fake()
    step = {"kind": "step", "every": 1, "factor": 0.5}
    span = Choices(choices=[step, {"kind": "linear", "warmup": 0.1}])
    study = searched(workspace, fake, ranges={"schedule": span})
    assert {params.schedule.kind for params in fake.asked} == {"linear", "step"}
    assert fake.asked[0] == study.training
    assert any(trial.changes.get("schedule") == step for trial in study.tried())


def test_the_test_split_stays_closed(workspace: Workspace) -> None:
    fake = Fake()
    searched(workspace, fake, trials=2)
    samples = pd.read_parquet(workspace.prepared / "samples.parquet")
    for part in fake.parts:
        assert len(part.test) == 0
        assert set(samples["split"].iloc[part.train]) == {"train"}
        assert set(samples["split"].iloc[part.validation]) == {"validation"}


def test_a_trial_that_cannot_be_trained_is_told_and_the_search_goes_on(workspace: Workspace) -> None:
    fake = Fake()
    fake.deadly = (3, 1, RuntimeError)
    study = searched(workspace, fake, trials=6)
    assert [trial.failure for trial in study.tried()] == ["", "", "out of memory", "", "", ""]
    assert 3 not in [trial.number for trial in study.ranked()]
    statuses = {name: run.info.status for name, run in sent(workspace).items()}
    assert statuses["colours-partial search 3"] == "FAILED"


def test_what_the_training_as_it_stands_cannot_do_ends_the_search(workspace: Workspace) -> None:
    fake = Fake()
    fake.deadly = (1, 0, TrainingError)
    with pytest.raises(TrainingError, match="out of memory"):
        searched(workspace, fake)
    assert searched(workspace, fake, trials=2).tried()[0].failure == ""


def sent(workspace: Workspace) -> dict[str, Any]:
    """The runs in MLflow, by name."""
    with tracking.connected(workspace.root) as client:
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        runs = list(client.search_runs(experiments))
    assert len({run.info.run_name for run in runs}) == len(runs)
    return {run.info.run_name: run for run in runs}


def test_a_search_is_one_run_and_each_trial_a_run_below_it(workspace: Workspace) -> None:
    searched(workspace, Fake(), trials=5)
    study = searched(workspace, Fake())
    runs = sent(workspace)
    whole = runs.pop("colours-partial search")
    assert whole.info.status == "FINISHED"
    assert whole.data.tags["search"] == study.name
    assert whole.data.params["ranges.blocks.high"] == "2"
    assert whole.data.metrics["best_validation_loss"] == study.ranked()[0].score
    assert len(runs) == TRIALS
    for trial in study.tried():
        run = runs[f"colours-partial search {trial.number}"]
        assert run.data.tags["mlflow.parentRunId"] == whole.info.run_id
        assert run.info.status == ("KILLED" if trial.pruned else "FINISHED")
        assert run.data.tags.get("pruned", "false") == str(trial.pruned).lower()
        assert run.data.metrics["validation_loss"] == trial.score
        rate = trial.changes.get("learning_rates.head", 0.01)
        assert float(run.data.params["learning_rates.head"]) == rate


def test_a_killed_trial_is_no_running_one_for_ever_and_no_run_of_its_training(workspace: Workspace) -> None:
    own = journal.Run.start(workspace, "colours-partial", {})
    fake = Fake()
    fake.deadly = (3, 1, SystemExit)
    with pytest.raises(SystemExit):
        searched(workspace, fake)
    searched(workspace, fake, trials=3)
    (home,) = (path for path in (workspace.local / "runs" / "colours").iterdir() if "search" in path.name)
    ended = [journal.Run(path).of_kind("end")[-1]["status"] for path in home.iterdir()]
    assert sorted(ended) == ["FAILED", "FINISHED", "FINISHED", "FINISHED", "FINISHED"]
    assert not own.of_kind("end")


def test_the_study_is_kept_as_text_and_numbers(workspace: Workspace) -> None:
    searched(workspace, Fake(), trials=3)
    with sqlite3.connect(workspace.local / "tune" / "colours.db") as database:
        tables = [row[0] for row in database.execute("select name from sqlite_master where type = 'table'")]
        cells = [cell for table in tables for row in database.execute(f"select * from {table}") for cell in row]  # noqa: S608
    assert cells
    assert not any(isinstance(cell, bytes) for cell in cells)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """A fake that the command measures with."""
    fake = Fake()
    monkeypatch.setattr(measure, "measure", fake)
    return fake


def test_the_command_writes_what_it_found(workspace: Workspace, told: Fake, capfd: pytest.CaptureFixture[str]) -> None:
    tuning.tune(workspace.root, "colours", TRIALS, None)
    out, err = capfd.readouterr()
    lines = [line.strip() for line in err.splitlines()]
    assert len(lines) == TRIALS
    assert lines[0].startswith(f"trial 1/{TRIALS}  as it stands  loss 1.5833  best 1.5833 (trial 1)")
    assert any("pruned after epoch 1" in line for line in lines)
    assert all(line.endswith("left") for line in lines[:-1])
    written = config.load(workspace.root).trainings["colours-tuned"]
    assert written.model_copy(update={"name": "colours-partial"}) == min(
        told.asked, key=lambda p: Fake.loss(p, p.epochs)
    )
    evaluate = read_yaml(workspace.root / "params.yaml")["datasets"]["colours"]["evaluate"]
    assert evaluate["trainings"] == ["colours-head", "colours-partial", "colours-tuned"]
    text = (workspace.root / "params.yaml").read_text()
    assert "    # found by transfer tune colours: validation loss 0." in text
    assert f"after {TRIALS} trials" in text
    assert "next      transfer run colours" in out
    assert out.count("loss") >= 1 and len([line for line in out.splitlines() if " 0." in line]) >= 5

    tuning.tune(workspace.root, "colours", TRIALS, None)
    assert (workspace.root / "params.yaml").read_text() == text
    assert len(told.asked) == TRIALS


def test_a_training_that_no_trial_beats_stays_alone(
    workspace: Workspace, told: Fake, capfd: pytest.CaptureFixture[str]
) -> None:
    before = (workspace.root / "params.yaml").read_bytes()
    tuning.tune(workspace.root, "colours", 1, None)
    assert "nothing is written: no trial beats colours-partial as it stands" in capfd.readouterr().out
    assert (workspace.root / "params.yaml").read_bytes() == before


def test_a_training_changed_meanwhile_is_not_written_over(
    workspace: Workspace, told: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = workspace.root / "params.yaml"
    monkeypatch.setattr(
        tuning, "_table", lambda *_: params.write_text(params.read_text().replace("epochs: 2", "epochs: 1"))
    )
    with pytest.raises(ConfigError, match="colours-partial was changed meanwhile; run transfer tune colours again"):
        tuning.tune(workspace.root, "colours", TRIALS, None)
    assert "colours-tuned" not in params.read_text()


def test_the_command_says_what_is_missing(workspace: Workspace, told: Fake) -> None:
    shutil.rmtree(workspace.features)
    with pytest.raises(TrainingError, match="run transfer run colours first"):
        tuning.tune(workspace.root, "colours", None, None)
    params = workspace.root / "params.yaml"
    content = params.read_text()
    params.write_text(content[: content.index("searches:")] + "searches: {}\n")
    with pytest.raises(ConfigError, match="searches has no colours"):
        tuning.tune(workspace.root, "colours", None, None)
    assert not told.asked


def test_with_real_trainings_and_unreadable_test_labels(
    workspace: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    samples = pd.read_parquet(workspace.prepared / "samples.parquet")
    samples.loc[samples["split"] == "test", "label"] = "a colour nobody has heard of"
    samples.to_parquet(workspace.prepared / "samples.parquet")
    tuning.tune(workspace.root, "colours", None, None)
    _, err = capfd.readouterr()
    assert "trial 3/3" in err
    assert {"colours-partial search", *(f"colours-partial search {number}" for number in (1, 2, 3))} == set(
        sent(workspace)
    )


@pytest.mark.integration
def test_interrupted_by_the_user_it_ends_in_one_line_and_goes_on(workspace: Workspace, repository: Path) -> None:
    command = [sys.executable, "-m", "flows.cli", "tune", "colours", "--trials"]
    own = environment() | {"PYTHONPATH": str(repository)}
    with subprocess.Popen([*command, "500"], cwd=workspace.root, stderr=subprocess.PIPE, env=own, text=True) as running:
        assert running.stderr
        while "trial 2/500" not in (line := running.stderr.readline()):
            assert line, "it ended too early"
        running.send_signal(signal.SIGINT)
        *_, last = running.stderr.read().splitlines()
        assert running.wait() == 130
    assert last == "error interrupted; nothing is lost, transfer tune colours goes on from here"
    again = subprocess.run([*command, "4"], cwd=workspace.root, capture_output=True, text=True, env=own, check=True)
    assert "trial 4/4" in again.stderr and "trial 2/4" not in again.stderr
    assert sent(workspace)["colours-partial search"].info.status == "FINISHED"
