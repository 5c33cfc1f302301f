"""A real S3 server on 127.0.0.1 as the source: requests are counted, and each accident is one clear line."""

import logging
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_remote import contents, find, mirrored, reasons, source, state

from tasks.errors import SourceError, UnreachableError
from tasks.sources import remote

pytestmark = pytest.mark.integration

SECRET = "hunter2-is-long"  # noqa: S105 - of a server that lives as long as the test
BIRDS = source("s3://bucket/birds")


class Server:
    """An S3 server with one bucket, and the files that were asked of it."""

    def __init__(self, asked: list[str]) -> None:
        from moto.server import ThreadedMotoServer

        self.asked = asked
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.address = f"http://{host}:{port}"

    def client(self) -> Any:
        """A client of the server that is no part of what is tested."""
        import boto3

        own = {"aws_access_key_id": "me", "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
        return boto3.client("s3", endpoint_url=self.address, **own)

    def put(self, key: str, content: str) -> None:
        """Put a file into the bucket."""
        self.client().put_object(Bucket="bucket", Key=key, Body=content.encode())

    def fetched(self) -> list[str]:
        """Return the files that were fetched since the last call."""
        found = [match[1] for line in self.asked if (match := re.search(r"GET /bucket/(\S+) HTTP", line))]
        self.asked.clear()
        return sorted(found)

    def forget(self) -> None:
        """Hold nothing: all servers of a process share one memory."""
        with urllib.request.urlopen(urllib.request.Request(f"{self.address}/moto-api/reset", method="POST")):
            pass

    def stop(self) -> None:
        """Be gone."""
        self._server.stop()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server whose bucket holds three birds, and an environment that leads there."""
    asked: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            asked.append(record.getMessage())

    log, ear = logging.getLogger("werkzeug"), Ear()
    log.setLevel(logging.INFO)
    log.addHandler(ear)
    running = Server(asked)
    for name, value in {
        "AWS_ENDPOINT_URL": running.address,
        "AWS_ACCESS_KEY_ID": "me",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    running.forget()
    running.client().create_bucket(Bucket="bucket")
    for key in ("birds/heron/1.jpg", "birds/heron/deep/2.jpg", "birds/coot/3.jpg", "birds-not/heron/4.jpg"):
        running.put(key, key)
    asked.clear()
    yield running
    log.removeHandler(ear)
    running.stop()


def test_only_what_changed_is_fetched(server: Server, root: Path) -> None:
    names = {"heron/1.jpg", "heron/deep/2.jpg", "coot/3.jpg"}
    assert contents(find(BIRDS, root)) == {name: f"birds/{name}".encode() for name in names}
    assert server.fetched() == ["birds/coot/3.jpg", "birds/heron/1.jpg", "birds/heron/deep/2.jpg"]
    find(BIRDS, root)
    assert server.fetched() == []
    server.put("birds/coot/3.jpg", "birds/coot/4.jpg")  # of the same size
    server.put("birds/coot/5.jpg", "new")
    server.client().delete_object(Bucket="bucket", Key="birds/heron/1.jpg")
    found = contents(find(BIRDS, root))
    assert found == {
        "heron/deep/2.jpg": b"birds/heron/deep/2.jpg",
        "coot/3.jpg": b"birds/coot/4.jpg",
        "coot/5.jpg": b"new",
    }
    assert server.fetched() == ["birds/coot/3.jpg", "birds/coot/5.jpg"]
    assert mirrored(root) == set(found)


def test_looking_lists_and_fetches_nothing(server: Server, root: Path) -> None:
    remote.look(BIRDS, root)
    before = state(root)
    assert server.fetched() == []
    find(BIRDS, root)
    assert state(root) == before
    server.put("birds/coot/3.jpg", "birds/coot/4.jpg")
    remote.look(BIRDS, root)
    assert state(root) != before


def test_a_whole_bucket(server: Server, root: Path) -> None:
    assert set(contents(find(source("s3://bucket"), root))) == {
        "birds/heron/1.jpg",
        "birds/heron/deep/2.jpg",
        "birds/coot/3.jpg",
        "birds-not/heron/4.jpg",
    }


def test_keys_that_are_no_files_here(server: Server, root: Path) -> None:
    for key in ("birds/", "birds/heron/"):
        server.put(key, "")  # how a store's own pages mark a folder
    for key in ("birds/../../evil.jpg", "birds/heron//6.jpg", "birds/heron/deep", "birds/coot/ä +%20&.jpg"):
        server.put(key, "x")
    found = find(BIRDS, root)
    assert set(contents(found)) == {"heron/1.jpg", "heron/deep/2.jpg", "coot/3.jpg", "coot/ä +%20&.jpg"}
    assert reasons(found) == {
        "../../evil.jpg": "its name leads out of the source's folder",
        "heron//6.jpg": "its name is no path of a file; rename it in the store",
        "heron/deep": "is named as a folder is; rename it in the store",
    }
    assert mirrored(root) == set(contents(found))
    assert not list(root.rglob("evil.jpg"))


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("s3://no-bucket/birds", "there is no such bucket, folder or file (The specified bucket does not exist)"),
        ("s3://bucket/bird", "there is no file; mend ingest.source.address"),
    ],
)
def test_what_is_not_there(server: Server, root: Path, address: str, told: str) -> None:
    with pytest.raises(SourceError) as error:
        find(source(address), root)
    assert str(error.value) == f"{address}: {told}"
    assert not isinstance(error.value, UnreachableError)


def test_wrong_credentials(server: Server, root: Path) -> None:
    from moto.core import set_initial_no_auth_action_count

    with pytest.raises(
        SourceError, match=r"access is denied \(.*\); check the credentials in the environment"
    ) as error:
        set_initial_no_auth_action_count(0)(find)(BIRDS, root)
    assert not isinstance(error.value, UnreachableError)
    assert SECRET not in str(error.value)


def test_no_credentials(server: Server, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SourceError, match=r"there are no credentials .*set them in the environment") as error:
        find(BIRDS, root)
    assert not isinstance(error.value, UnreachableError)


def test_a_server_that_is_gone_may_come_back(server: Server, root: Path) -> None:
    find(BIRDS, root)
    before = state(root)
    server.stop()
    with pytest.raises(UnreachableError, match=r"^s3://bucket/birds: the store cannot be reached \(.*\); try again$"):
        remote.look(BIRDS, root)
    with pytest.raises(UnreachableError, match="the store cannot be reached"):
        find(BIRDS, root)
    assert state(root) == before
    assert len(mirrored(root)) == 3
