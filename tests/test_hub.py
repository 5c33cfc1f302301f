"""Weights of the hub, by the hub's real client, from a server of our own: pinned, cached, and loud when they lack."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hubs
import pytest
import tiny
from hubs import COMMIT, Hub

from tasks.schema import Backbone, HubSource
from tasks.workspace import file_hashes, sha256_of

FETCH = """
import sys
from pathlib import Path
from tasks.errors import TransferError
from tasks.neural import backbones
from tasks.schema import Backbone
try:
    print(backbones.fetch(Backbone.model_validate_json(sys.argv[1]), Path(sys.argv[2])))
except TransferError as error:
    sys.exit(f"ERROR {error}")
"""
Fetch = Callable[..., str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT's directory, with a pickle and a script that nobody wants."""
    folder = tiny.write("bert", tmp_path_factory.mktemp("hub") / "bert")
    (folder / "vocab.txt").write_text("[PAD]\n")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "modeling.py").write_text("raise SystemExit")
    return folder


def test_the_entries_of_the_documentation_are_ones(repository: Path) -> None:
    import yaml

    page = (repository / "docs/backbones.md").read_text()
    entries = yaml.safe_load(page.partition("```yaml")[2].partition("```")[0])["backbones"]
    kinds = {Backbone(name=name, **entry).source.kind for name, entry in entries.items()}
    assert len(entries) == 11 and kinds == {"hub", "folder"}


@pytest.fixture
def hub(model: Path) -> Iterator[Hub]:
    with hubs.serving(model) as served:
        yield served


def declared(folder: Path, revision: str = COMMIT, file: str = "model.safetensors", sha256: str = "") -> Backbone:
    source = HubSource(kind="hub", id="somebody/some-model", revision=revision)
    digest = sha256 or sha256_of(folder / "model.safetensors")
    return Backbone(name="mine", source=source, format="huggingface", file=file, sha256=digest, licence="MIT")


@pytest.fixture
def fetch(root: Path, repository: Path, tmp_path: Path) -> Fetch:
    """Fetch in a process of its own, whose hub is at an address: its directory, or "ERROR" and why not."""

    def run(backbone: Backbone, address: str, project: Path = root, **variables: str) -> str:
        own = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"), "PYTHONPATH": str(repository)}
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        command = [sys.executable, "-c", FETCH, backbone.model_dump_json(), str(project)]
        done = subprocess.run(
            command, env=environment | own | variables, cwd=repository, capture_output=True, text=True, check=False
        )
        told = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        assert done.returncode == 0 or told, done.stderr
        assert "Traceback" not in done.stderr
        return told[0] if told else done.stdout.strip()

    return run


def test_a_revision_is_fetched_and_kept_and_needs_no_server_again(
    hub: Hub, fetch: Fetch, model: Path, root: Path, tmp_path: Path
) -> None:
    target = Path(fetch(declared(model), hub.address))
    assert sorted(path.name for path in target.iterdir()) == ["config.json", "model.safetensors", "vocab.txt"]
    assert file_hashes(target)["model.safetensors"] == sha256_of(model / "model.safetensors")
    files = {path.rpartition("/")[2] for path in hub.asked if f"/resolve/{COMMIT}/" in path}
    assert files == {"config.json", "model.safetensors", "vocab.txt"}, "no pickle, no code"
    other, count = tmp_path / "other project", len(hub.asked)
    other.mkdir()
    again = Path(fetch(declared(model), "http://127.0.0.1:9", other))
    assert again.is_relative_to(other) and file_hashes(again) == file_hashes(target)
    offline = tmp_path / "offline project"
    offline.mkdir()
    assert fetch(declared(model), hub.address, offline, HF_HUB_OFFLINE="1").startswith(str(offline))
    assert len(hub.asked) == count


def test_a_branch_is_followed_and_the_sha256_pins_its_weights(hub: Hub, fetch: Fetch, model: Path) -> None:
    assert Path(fetch(declared(model, "main"), hub.address), "config.json").exists()
    told = fetch(declared(model, "main", sha256="0" * 64), hub.address)
    assert f"model.safetensors has sha256 {sha256_of(model / 'model.safetensors')}, declared is {'0' * 64}" in told
    assert told.endswith("revision main may have moved: declare a commit's hash, which stays")


def test_another_sha256_of_a_pinned_revision_is_refused(hub: Hub, fetch: Fetch, model: Path, root: Path) -> None:
    told = fetch(declared(model, sha256="0" * 64), hub.address)
    assert told.endswith("Declare the file you mean under backbones, or fetch it again")
    assert not [path for path in (root / ".local/backbones").iterdir() if not path.name.endswith(".lock")]


@pytest.mark.parametrize(("revision", "variables"), [("main", {}), (COMMIT, {"HF_HUB_OFFLINE": "1"})], ids=str)
def test_out_of_reach_it_tells_what_where_and_how(
    fetch: Fetch, model: Path, tmp_path: Path, revision: str, variables: dict[str, str]
) -> None:
    told = fetch(declared(model, revision), "http://127.0.0.1:9", **variables)
    cache = tmp_path / "home/hub/models--somebody--some-model"
    assert told.startswith(f"ERROR mine: model.safetensors of somebody/some-model, revision {revision}, cannot be")
    assert f"nor wholly found in {cache};" in told
    assert f"`hf download somebody/some-model --revision {revision} --local-dir FOLDER`" in told
    assert told.endswith("copy FOLDER here and declare it (kind: folder)")


@pytest.mark.parametrize(
    ("revision", "lacks"),
    [(COMMIT, f"{COMMIT}/config.json: offline mode is enabled)"), ("main", "1 file(s) are missing (config.json)")],
)
def test_a_cache_that_lacks_a_file_is_told_which(
    hub: Hub, fetch: Fetch, model: Path, root: Path, tmp_path: Path, revision: str, lacks: str
) -> None:
    fetch(declared(model, revision), hub.address)
    shutil.rmtree(root / ".local")
    (tmp_path / f"home/hub/models--somebody--some-model/snapshots/{COMMIT}/config.json").unlink()
    assert lacks in fetch(declared(model, revision), hub.address, HF_HUB_OFFLINE="1")


def test_a_revision_that_is_not_there_is_told(hub: Hub, fetch: Fetch, model: Path) -> None:
    told = fetch(declared(model, "gone"), hub.address)
    assert "somebody/some-model, revision gone, cannot be fetched from the hub (" in told


def test_a_file_that_is_not_there_is_told_with_what_is(hub: Hub, fetch: Fetch, model: Path, tmp_path: Path) -> None:
    told = fetch(declared(model, file="best.safetensors"), hub.address)
    assert f"there is no best.safetensors in somebody/some-model, revision {COMMIT} (cache: {tmp_path}" in told
    assert "pickle" in told and "refs/pr/NUMBER" in told


def test_weights_in_several_files_are_told_how_to_join(fetch: Fetch, model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sharded"
    folder.mkdir()
    shards = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for name in shards:
        (folder / name).write_bytes(b"half")
    (folder / "config.json").write_text((model / "config.json").read_text())
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": dict(zip("ab", shards, strict=True))})
    )
    with hubs.serving(folder) as hub:
        told = fetch(declared(model), hub.address)
        part = declared(model, file=shards[0], sha256=sha256_of(folder / shards[0]))
        alone = fetch(part, hub.address)
    assert "its weights lie in several files" in told and "max_shard_size='1TB'" in told
    assert f"{shards[0]}: is one of several files" in alone
