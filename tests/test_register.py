import os
import pickletools
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tracked import with_database
from trained import write_evaluation, write_model, write_raw

from tasks.errors import RegistryError
from tasks.predict import Predictor
from tasks.records import journal, registry, tracking
from tasks.register import register
from tasks.schema import AnyDataset
from tasks.workspace import Workspace, file_hashes, read_json

NAME = "colours"
LENIENT = {"register_.gate.certainty": 0.5, "register_.gate.calibration_rise": 1.0, "register_.gate.class_fall": 1.0}
TRAINING = "colours-head"
TEXTS = [f"red {number}" for number in range(10)]
MORE_TEXTS = [f"blue {number}" for number in range(10)]


@pytest.fixture
def params(tiny_dataset: Callable[..., AnyDataset]) -> AnyDataset:
    return tiny_dataset("movie-reviews", {"name": NAME, **LENIENT})


@pytest.fixture
def workspace(root: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv(tracking.ADDRESS, raising=False)
    return Workspace(with_database(root), NAME)


def learn(workspace: Workspace, note: str, right: int, texts: list[str] | None = None) -> None:
    """Make a model and an evaluation in which it has `right` of 10 test samples right."""
    write_model(workspace.model(TRAINING), TRAINING, note)
    write_evaluation(workspace, TRAINING, write_raw(workspace, texts or TEXTS), right)


def told(workspace: Workspace) -> dict[str, list[str]]:
    return {one["version"]: one["aliases"] for one in registry.versions(workspace.root, NAME)}


def test_the_first_version_is_champion_and_tells_its_origin(params: AnyDataset, workspace: Workspace) -> None:
    learn(workspace, "first", 7)
    folder = register(params, workspace)

    digest = journal.model_digest(workspace.model(TRAINING))
    assert read_json(folder / "registration.json") == {
        "training": TRAINING, "model_digest": digest, "metric": "accuracy", "value": 0.7,
    }  # fmt: skip
    version = registry.describe(workspace.root, NAME, "champion")
    assert version == registry.describe(workspace.root, NAME, "1")
    assert (version["metric"], version["value"], version["low"]) == ("accuracy", "0.7", "0.1")
    assert version["backbone_sha256"] == params.backbone.sha256
    assert version["data_samples"] == "10"
    assert version["model_digest"] == digest
    assert workspace.counters("register")["version"] == 1
    with tracking.connected(workspace.root) as client:
        run = client.get_run(version["run_id"])
        assert run.info.run_name == TRAINING
        assert {file.path for file in client.list_artifacts(version["run_id"], "evaluation")} == {
            "evaluation/metrics.json", "evaluation/errors.csv", "evaluation/comparison.png",
            f"evaluation/{TRAINING}.parquet",
        }  # fmt: skip


def test_the_same_model_gets_no_second_version(params: AnyDataset, workspace: Workspace) -> None:
    learn(workspace, "first", 7)
    before = (register(params, workspace) / "registration.json").read_bytes()
    after = (register(params, workspace) / "registration.json").read_bytes()
    assert before == after
    assert told(workspace) == {"1": ["champion"]}


@pytest.mark.parametrize(
    ("right", "margin", "expected"),
    [
        (8, 0.0, {"1": [], "2": ["champion"]}),
        (7, 0.0, {"1": ["champion"], "2": ["challenger"]}),
        (8, 0.2, {"1": ["champion"], "2": ["challenger"]}),
    ],
)
def test_only_a_better_model_becomes_champion(
    tiny_dataset: Callable[..., AnyDataset], workspace: Workspace, right: int, margin: float, expected: Any
) -> None:
    params = tiny_dataset("movie-reviews", {"name": NAME, **LENIENT, "register_.gate.margin": margin})
    learn(workspace, "first", 7)
    register(params, workspace)
    learn(workspace, "second", right)
    register(params, workspace)
    assert told(workspace) == expected
    assert "on the same 10 test samples" in registry.describe(workspace.root, NAME, "2")["decision"]


def test_on_other_test_samples_the_champion_answers_again(params: AnyDataset, workspace: Workspace) -> None:
    learn(workspace, "first", 10)
    register(params, workspace)
    champion = Predictor.load(registry.champion_directory(workspace.root, NAME))
    learn(workspace, "second", 9, MORE_TEXTS)
    manifest = pd.read_parquet(workspace.raw / "manifest.parquet")
    really = (champion.answer(MORE_TEXTS)["answer"] == manifest["label"]).mean()
    register(params, workspace)
    decision = registry.describe(workspace.root, NAME, "2")["decision"]
    assert f"accuracy 0.9000 against {really:.4f} on the same 10 test samples" in decision


def test_a_model_of_other_labels_takes_no_place_by_itself(params: AnyDataset, workspace: Workspace) -> None:
    learn(workspace, "first", 10)
    register(params, workspace)
    learn(workspace, "second", 5)
    pipeline = workspace.model(TRAINING) / "pipeline.json"
    pipeline.write_text(pipeline.read_text().replace('"cold"', '"chilly"'))
    table = workspace.evaluation / "predictions" / f"{TRAINING}.parquet"
    pd.read_parquet(table).replace({"label": {"cold": "chilly"}}).to_parquet(table)
    register(params, workspace)
    assert told(workspace) == {"1": ["champion"], "2": ["challenger"]}
    decision = registry.describe(workspace.root, NAME, "2")["decision"]
    assert decision.startswith("it knows other labels than the champion: also chilly and not cold; ")


def test_a_challenger_that_wins_later_is_challenger_no_more(params: AnyDataset, workspace: Workspace) -> None:
    learn(workspace, "first", 7)
    register(params, workspace)
    learn(workspace, "second", 6)
    register(params, workspace)
    assert told(workspace) == {"1": ["champion"], "2": ["challenger"]}
    write_evaluation(workspace, TRAINING, write_raw(workspace, TEXTS), 9)
    register(params, workspace)
    assert told(workspace) == {"1": [], "2": ["champion"]}


@pytest.mark.integration
@pytest.mark.parametrize(
    "step",
    [
        "log_model_artifacts",
        "create_model_version",
        "set_registered_model_alias",
    ],
)
def test_killed_at_any_step_and_run_again_there_is_one_version(
    params: AnyDataset, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    learn(workspace, "first", 7)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(tracking.library().MlflowClient, step, die)
        register(params, workspace)
    assert not workspace.registration.exists()
    register(params, workspace)
    assert told(workspace) == {"1": ["champion"]}
    assert Predictor.load(registry.champion_directory(workspace.root, NAME))
    with tracking.connected(workspace.root) as client:
        assert len(client.search_logged_models([client.get_experiment_by_name(NAME).experiment_id])) == 1


def test_without_mlflow_the_stage_fails_in_one_line_and_the_next_run_registers(
    params: AnyDataset, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn(workspace, "first", 7)
    monkeypatch.setenv(tracking.ADDRESS, "http://127.0.0.1:1")
    with pytest.raises(RegistryError) as caught:
        register(params, workspace)
    assert "\n" not in str(caught.value)
    assert not workspace.registration.exists()
    monkeypatch.delenv(tracking.ADDRESS)
    register(params, workspace)
    assert told(workspace) == {"1": ["champion"]}


def test_what_is_not_registered_is_told_with_what_is(params: AnyDataset, workspace: Workspace) -> None:
    with pytest.raises(RegistryError, match="transfer run colours"):
        registry.champion_directory(workspace.root, NAME)
    learn(workspace, "first", 7)
    register(params, workspace)
    with pytest.raises(RegistryError, match="no version or alias '7'; there are: 1 champion"):
        registry.describe(workspace.root, NAME, "7")


def test_the_registered_model_answers_as_ours_and_holds_no_pickle(params: AnyDataset, workspace: Workspace) -> None:
    learn(workspace, "first", 7)
    register(params, workspace)
    package = registry.package_directory(workspace.root, registry.describe(workspace.root, NAME, "champion"))
    assert [path for path in package.rglob("*") if path.is_file() and is_pickle(path)] == []
    assert "torch==" in (package / "requirements.txt").read_text()

    served = tracking.library().pyfunc.load_model(str(package))
    question = served.input_example
    assert list(question.columns) == ["text"]
    asked = pd.DataFrame({"text": ["red amber", "", "blue teal"]})
    answered = served.predict(asked)
    expected = Predictor.load(workspace.model(TRAINING)).answer(asked["text"].tolist())
    pd.testing.assert_frame_equal(answered, expected)
    assert served.metadata.signature.outputs.input_names() == ["answer", "confidence", "refused"]


def is_pickle(path: Path) -> bool:
    """Tell by the content, whatever the name: a pickle ends with the opcode that stops it."""
    content = path.read_bytes()
    if path.suffix in (".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib"):
        return True
    try:
        return content[:1] == b"\x80" and any(pickletools.genops(content))
    except ValueError:
        return False


@pytest.mark.integration
def test_the_registered_model_brings_its_own_code(params: AnyDataset, workspace: Workspace, tmp_path: Path) -> None:
    learn(workspace, "first", 7)
    register(params, workspace)
    package = registry.package_directory(workspace.root, registry.describe(workspace.root, NAME, "champion"))
    code = (
        "import mlflow, pandas; model = mlflow.pyfunc.load_model(" + repr(str(package)) + ");"
        "import tasks; assert tasks.__file__.startswith(" + repr(str(package)) + "), tasks.__file__;"
        "print(model.predict(pandas.DataFrame({'text': ['red amber']}))['answer'][0])"
    )
    elsewhere = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    answer = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, env=elsewhere, capture_output=True, text=True, check=False
    )
    assert answer.stdout.strip() in ("warm", "cold"), answer.stderr


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A real MLflow server with a database and files of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = with_database(tmp_path)
    database = f"sqlite:///{home / '.local' / 'mlflow.db'}"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database, "--workers", "1"]
    command += ["--artifacts-destination", str(home / "server"), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        assert process.poll() is None, "the server ended"
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the server never answered")


@pytest.mark.integration
def test_a_server_far_away_holds_run_and_model(
    params: AnyDataset, workspace: Workspace, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(tracking.ADDRESS, server)
    learn(workspace, "first", 7)
    register(params, workspace)
    learn(workspace, "second", 8)
    register(params, workspace)
    assert told(workspace) == {"1": [], "2": ["champion"]}
    champion = registry.champion_directory(workspace.root, NAME)
    assert champion.is_relative_to(workspace.local / "models")
    assert file_hashes(champion) == read_json(workspace.model(TRAINING) / "files.json")
    assert champion == registry.champion_directory(workspace.root, NAME)
    assert Predictor.load(champion).answer(["red"])["refused"].tolist() == [""]
