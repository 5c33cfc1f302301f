"""The service: MLflow's shapes and uploads, limits, a token, and a champion that changes while it is asked."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fastapi.testclient import TestClient
from tracked import with_database
from trained import write_evaluation, write_model, write_raw

from flows import serving
from tasks.errors import ConfigError, RegistryError
from tasks.predict import Predictor
from tasks.records import registry, throne, tracking
from tasks.register import register
from tasks.schema import AnyDataset
from tasks.serving import asked
from tasks.serving.app import Limits, service
from tasks.serving.asked import WronglyAskedError
from tasks.serving.holder import Holder
from tasks.workspace import Workspace

NAME, TRAINING = "colours", "colours-head"
LIMITS = Limits(rows=4, bytes=2000, seconds=30.0, waiting=300)
QUESTIONS = ["red amber", "blue teal"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_database(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def params(config: Any) -> AnyDataset:
    from conftest import changed

    dataset: AnyDataset = changed(config.datasets["movie-reviews"], {"name": NAME})
    return dataset


def learn(params: AnyDataset, root: Path, note: str) -> None:
    workspace = Workspace(root, NAME)
    write_model(workspace.model(TRAINING), TRAINING, note)
    write_evaluation(workspace, TRAINING, write_raw(workspace, [f"red {number}" for number in range(10)]), 7)
    register(params, workspace)


@pytest.fixture(scope="module")
def holder(root: Path, params: AnyDataset) -> Iterator[Holder]:
    os.environ.pop(tracking.ADDRESS, None)
    learn(params, root, "first")
    with Holder(root, NAME, "champion", seconds=3600) as held:
        yield held


@pytest.fixture
def client(holder: Holder) -> TestClient:
    return TestClient(service(holder, LIMITS, None))


def expected(root: Path) -> list[str]:
    answers = Predictor.load(registry.champion_directory(root, NAME)).answer(QUESTIONS)
    return [str(one) for one in answers["answer"]]


SHAPES: dict[str, Any] = {
    "split": {"dataframe_split": {"columns": ["id", "text"], "data": [[1, QUESTIONS[0]], [2, QUESTIONS[1]]]}},
    "records": {"dataframe_records": [{"text": text, "more": 1} for text in QUESTIONS]},
    "instances": {"instances": [{"text": text} for text in QUESTIONS]},
    "inputs": {"inputs": QUESTIONS},
    "columns": {"inputs": {"text": QUESTIONS}},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_it_answers_as_mlflow_asks(client: TestClient, root: Path, shape: str) -> None:
    answered = client.post("/invocations", json=SHAPES[shape])
    assert answered.status_code == 200, answered.text
    told = answered.json()["predictions"]
    assert [one["answer"] for one in told] == expected(root)
    assert all(0.5 <= one["confidence"] <= 1 and one["refused"] == "" for one in told)


def test_it_reads_csv(client: TestClient, root: Path) -> None:
    body = pd.DataFrame({"text": QUESTIONS}).to_csv(index=False)
    answered = client.post("/invocations", content=body, headers={"Content-Type": "text/csv; charset=utf-8"})
    assert [one["answer"] for one in answered.json()["predictions"]] == expected(root)


def test_uploaded_files_are_answered_by_name(client: TestClient, root: Path) -> None:
    files = [("files", (f"{number}.txt", text)) for number, text in enumerate(QUESTIONS)]
    told = client.post("/predict", files=files).json()
    assert told["version"] == "1"
    assert [(one["name"], one["answer"]) for one in told["predictions"]] == list(
        zip(["0.txt", "1.txt"], expected(root), strict=True)
    )


def test_what_is_unusable_is_refused_by_itself(client: TestClient) -> None:
    told = client.post("/invocations", json={"inputs": ["red amber", " "]}).json()["predictions"]
    assert told[0]["refused"] == "" and told[1] == {"answer": None, "confidence": None, "refused": "is empty"}


WRONG: dict[str, tuple[Any, str]] = {
    "no JSON": (b"{", "the body is no JSON (Expecting property name"),
    "no UTF-8": (b"\xff\xfe\xfa", "the body is no JSON ("),
    "a list": ([1], "expected an object with one of dataframe_split, dataframe_records, instances, inputs"),
    "two shapes": ({"inputs": ["a"], "instances": ["a"]}, "expected an object with one of"),
    "nothing asked": ({"inputs": []}, "there is no row in it"),
    "another column": ({"dataframe_records": [{"texts": "a"}]}, "row 0 is no object with 'text'"),
    "no column": ({"dataframe_split": {"columns": ["a"], "data": [["b"]]}}, "expected 'text' among them"),
    "a short row": ({"dataframe_split": {"columns": ["text", "a"], "data": [["b"]]}}, "row 0 is no list of 2"),
    "no table": ({"dataframe_split": [1]}, 'dataframe_split: expected {"columns"'),
    "a number": ({"inputs": ["a", 7]}, "row 1 of text: expected a text, found int"),
    "parameters": ({"inputs": ["a"], "params": {"k": 3}}, "params: this model takes none"),
    "too many": ({"inputs": ["a"] * 5}, "5 rows are asked at once; at most 4"),
    "deep": (b"[" * 900 + b"]" * 900, ""),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrongly_asked_gets_a_reason(client: TestClient, case: str) -> None:
    body, told = WRONG[case]
    content = body if isinstance(body, bytes) else json.dumps(body)
    answered = client.post("/invocations", content=content, headers={"Content-Type": "application/json"})
    assert answered.status_code == 400
    assert told in answered.json()["error"] and "Traceback" not in answered.text


def test_files_come_as_base64_and_no_path_is_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    body = json.dumps({"inputs": [base64.b64encode(b"bytes").decode()]}).encode()
    assert asked.contents(body, "application/json", "image") == [b"bytes"]
    for address in (str(secret), f"file://{secret}", "http://127.0.0.1/x.png"):
        with pytest.raises(
            WronglyAskedError, match="is no base64; paths and addresses are not followed, send the bytes"
        ):
            asked.contents(json.dumps({"inputs": [address]}).encode(), "application/json", "image")


def test_a_body_beyond_the_limit_is_refused_however_it_comes(client: TestClient) -> None:
    large = json.dumps({"inputs": ["a" * 3000]})
    for content in (large, iter([large[:1500].encode(), large[1500:].encode()])):
        answered = client.post("/invocations", content=content)
        assert answered.status_code == 413, answered.text
        assert answered.json()["error"].startswith("the body is larger than")
    answered = client.post("/predict", files=[("files", ("a.txt", "a" * 3000))])
    assert (answered.status_code, answered.json()["error"][:16]) == (413, "the body is larg")


def test_what_is_not_there_and_an_upload_of_nothing_have_a_reason(client: TestClient) -> None:
    assert (client.get("/nothing").status_code, client.get("/invocations").status_code) == (404, 405)
    answered = client.post("/predict")
    assert answered.status_code == 422 and "files: Field required" in answered.json()["error"]


def test_with_a_token_only_its_bearer_is_answered(holder: Holder) -> None:
    client = TestClient(service(holder, LIMITS, "s3cret"))
    assert client.get("/health").json() == {"status": "ok"}
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "s3cret"}):
        for path in ("/metadata", "/openapi.json", "/"):
            assert client.get(path, headers=headers).status_code == 401
        assert client.post("/invocations", json=SHAPES["inputs"], headers=headers).status_code == 401
    allowed = client.post("/invocations", json=SHAPES["inputs"], headers={"Authorization": "Bearer s3cret"})
    assert allowed.status_code == 200


def test_beyond_this_machine_it_does_not_start_without_a_token(
    root: Path, params: AnyDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(serving.TOKEN, raising=False)
    monkeypatch.setattr("flows.serving.config.load", lambda root: None)
    monkeypatch.setattr("flows.serving.config.dataset", lambda *_: None)
    for host in ("0.0.0.0", "::", "example.org"):  # noqa: S104 - that is what is refused
        with pytest.raises(ConfigError, match=r"set TRANSFER_TOKEN to a secret, or serve on 127\.0\.0\.1"):
            serving.serve(root, NAME, host, 8000, 1, 1.0, 1.0)


def test_it_tells_who_answers_and_what_can_be_asked(client: TestClient) -> None:
    told = client.get("/metadata").json()
    assert (told["version"], told["aliases"], told["modality"]) == ("1", ["champion"], "text")
    assert told["model_digest"] and told["run_id"] and told["facts"] == {"labels": ["cold", "warm"]}
    document = client.get("/openapi.json").json()
    assert {"/invocations", "/predict", "/health", "/metadata"} <= set(document["paths"])
    page = client.get("/").text
    assert "Version 1 champion, classification of text" in page and "/invocations" in page
    assert "//" not in page.replace("http://testserver", "") and "<script" not in page


def test_who_waits_too_long_or_in_too_long_a_queue_is_told(holder: Holder) -> None:
    holder.current.turn.acquire()
    threading.Timer(1.0, holder.current.turn.release).start()  # the client's loop ends only when the answer is there
    slow = TestClient(service(holder, Limits(4, 2000, 0.05, 300), None))
    answered = slow.post("/invocations", json=SHAPES["inputs"])
    assert (answered.status_code, answered.headers["retry-after"]) == (503, "1")
    assert "not answered within 0.05 s" in answered.json()["error"]
    full = TestClient(service(holder, Limits(4, 2000, 30.0, 0), None))
    assert "0 requests wait already" in full.post("/invocations", json=SHAPES["inputs"]).json()["error"]


def test_a_registry_that_is_away_lets_the_version_go_on(
    holder: Holder, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(tracking.ADDRESS, "http://127.0.0.1:1")
    with pytest.raises(RegistryError):
        holder.look()
    assert client.post("/invocations", json=SHAPES["inputs"]).status_code == 200


def test_a_new_champion_takes_over(root: Path, params: AnyDataset, holder: Holder, client: TestClient) -> None:
    learn(params, root, "second")
    assert holder.look() is False
    throne.promote(root, NAME, "2", "try it")
    assert holder.look() is True
    assert client.get("/metadata").json()["version"] == "2"
    assert client.post("/invocations", json=SHAPES["inputs"]).status_code == 200
    throne.rollback(root, NAME, "it was only tried")
    assert holder.look() is True
    assert client.get("/metadata").json()["version"] == "1"


# --- the command


@pytest.fixture
def served(root: Path, holder: Holder, tmp_path: Path) -> Iterator[str]:
    """`transfer serve` in a process of its own."""
    import project as projects

    (root / "params.yaml").write_text(projects.PARAMS.replace("SHA256", "a" * 64))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "flows.cli", "serve", NAME, "--port", str(port)]
    process = subprocess.Popen(
        command, cwd=root, env=projects.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            try:
                urllib.request.urlopen(f"{address}/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode in (0, 130), err
    assert "colours  version 1 champion" in out and "Traceback" not in err


def ask(address: str) -> list[str]:
    body = json.dumps(SHAPES["inputs"]).encode()
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return [one["answer"] for one in json.load(answer)["predictions"]]


@pytest.mark.integration
def test_two_hundred_at_once_lose_nothing_while_the_champion_changes(
    root: Path, params: AnyDataset, served: str
) -> None:
    learn(params, root, "second")
    wanted = expected(root)
    with ThreadPoolExecutor(200) as pool:
        first = [pool.submit(ask, served) for _ in range(100)]
        throne.promote(root, NAME, "2", "while it is asked")
        second = [pool.submit(ask, served) for _ in range(100)]
        assert all(one.result() == wanted for one in [*first, *second])
    for _ in range(200):
        with urllib.request.urlopen(f"{served}/metadata", timeout=10) as answer:
            if json.load(answer)["version"] == "2":
                break
        time.sleep(0.1)
    else:
        raise AssertionError("the new champion was never picked up")
    assert ask(served) == wanted
    throne.rollback(root, NAME, "as it was")


@pytest.mark.integration
def test_a_port_that_is_taken_is_named(root: Path, served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.errors import TransferError

    port = int(served.rpartition(":")[2])
    monkeypatch.setattr("flows.serving.config.load", lambda root: None)
    monkeypatch.setattr("flows.serving.config.dataset", lambda *_: None)
    with pytest.raises(TransferError, match=f"port {port} is taken .*transfer serve colours --port {port + 1}"):
        serving.serve(root, NAME, "127.0.0.1", port, 1, 1.0, 1.0)
