"""`transfer remove`: all of one data set goes, nothing of another, and never the user's own files."""

import json
from pathlib import Path
from typing import Any

import pytest
from project import PARAMS, write_texts
from ruamel.yaml import YAML

from flows import newcomer
from tasks import config, dvc_store, params_datasets, removal
from tasks.config import read_yaml
from tasks.errors import BusyError, ConfigError, TransferError
from tasks.inspection.request import Request
from tasks.workspace import Workspace

NOTHING = dict.fromkeys(("modality", "objective", "label", "content", "group", "query", "backbone"))


@pytest.fixture
def project(root: Path) -> Path:
    """Colours of a tiny project, and hues that were added by `transfer new`."""
    (root / "params.yaml").write_text(PARAMS.replace("SHA256", "a" * 64))
    write_texts(root / "texts/colours.csv", 120)
    write_texts(root / "texts/hues.csv", 90)
    newcomer.new(Request(root, "hues", "texts/hues.csv", **NOTHING), yes=True)
    return root


def fill(root: Path, name: str) -> list[Path]:
    """Write a file wherever something of a data set may lie."""
    local = root / ".local"
    paths = [root / "data" / name / folder / "file" for folder in ("raw", "models/a", "evaluation")]
    paths += [local / kind / name / "file" for kind in ("checkpoints", "measurements", "counters", "runs")]
    paths += [local / "tune" / f"{name}.db", local / "rank" / f"{name}.json", local / "refused" / f"{name}.csv"]
    paths += [local / "logs" / f"{name}.txt"]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1234567890")
    return paths


def test_what_new_wrote_remove_takes_away_letter_by_letter(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone, kept = fill(project, "hues"), fill(project, "colours")
    assert newcomer.remove(project, "hues", yes=True) == 0
    assert (project / "params.yaml").read_text() == PARAMS.replace("SHA256", "a" * 64)
    assert not any(path.exists() for path in gone) and all(path.exists() for path in kept)
    assert not (project / "data/hues").exists() and (project / "texts/hues.csv").exists()
    told = capsys.readouterr().out
    assert "datasets.hues, trainings.hues-head, trainings.hues-partial, trainings.hues-scratch of params.yaml" in told
    assert "texts/hues.csv: the source is yours and is not touched" in told
    assert f"removed hues: {10 * len(gone)} B are free again" in told


def test_trainings_searches_and_candidates_go_too(project: Path) -> None:
    text = (project / "params.yaml").read_text().replace("candidates: {}", "candidates:\n  colours: []")
    (project / "params.yaml").write_text(text)
    newcomer.remove(project, "colours", yes=True)
    content = read_yaml(project / "params.yaml")
    assert list(content["datasets"]) == ["hues"] and content["candidates"] == {} and content["searches"] == {}
    assert all(training["dataset"] == "hues" for training in content["trainings"].values())
    config.load(project)


def test_what_another_data_set_is_written_with_stays(project: Path) -> None:
    text = (project / "params.yaml").read_text()
    text = text.replace("trainings:\n  colours-head", "  shades:\n    <<: *colours\ntrainings:\n  colours-head")
    (project / "params.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"datasets\.shades takes values from there \(\*colours\)"):
        params_datasets.without(text, [("datasets", "colours")])
    assert (project / "params.yaml").read_text() == text


def test_a_shared_training_is_named(repository: Path) -> None:
    text, content = (repository / "params.yaml").read_text(), read_yaml(repository / "params.yaml")
    for name, shared in (("solar-cells", "solar-cells-random"), ("movie-reviews", "movie-scores")):
        with pytest.raises(ConfigError, match=rf"datasets\.{shared} takes values from there"):
            params_datasets.without(text, params_datasets.entries_of(content, name))
    for name in ("solar-probability", "movie-scores", "mandarin-tones"):
        text_left = params_datasets.without(text, params_datasets.entries_of(content, name))
        left = YAML(typ="safe", pure=True).load(text_left)
        assert name not in left["datasets"] and set(left["datasets"]) | {name} == set(content["datasets"])


def test_nothing_is_removed_where_nobody_can_be_asked(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept, old = fill(project, "hues"), (project / "params.yaml").read_bytes()
    with pytest.raises(TransferError, match=r"^nothing is removed: nobody can be asked here; to agree, add --yes$"):
        newcomer.remove(project, "hues", yes=False)
    assert all(path.exists() for path in kept) and (project / "params.yaml").read_bytes() == old
    assert "frees" in capsys.readouterr().out


def test_a_name_that_is_none_is_told(project: Path) -> None:
    with pytest.raises(ConfigError, match=r'no data set "hue" in params.yaml; there are: .*Did you mean hues\?'):
        newcomer.remove(project, "hue", yes=True)


def test_a_data_set_that_is_worked_on_stays(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = fill(project, "hues")
    with Workspace(project, "hues").locked("a test"):
        monkeypatch.delenv("TRANSFER_HOLDER")
        with pytest.raises(BusyError, match=r"hues: process \d+ has been working on this data set"):
            newcomer.remove(project, "hues", yes=True)
    assert all(path.exists() for path in kept) and "hues" in read_yaml(project / "params.yaml")["datasets"]


@pytest.mark.parametrize("place", ["data/hues/mine", "data/hues"])
def test_a_source_within_the_data_sets_own_folder_stays(project: Path, place: str) -> None:
    own = project / place / "hues.csv"
    write_texts(own, 20)
    text = (project / "params.yaml").read_text().replace("path: texts/hues.csv", f"path: {place}/hues.csv")
    (project / "params.yaml").write_text(text)
    gone = fill(project, "hues")
    newcomer.remove(project, "hues", yes=True)
    assert own.exists() and not any(path.exists() for path in gone)


def test_a_linked_folder_loses_its_link_only(project: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("x")
    (project / "data").mkdir()
    (project / "data/hues").symlink_to(elsewhere)
    newcomer.remove(project, "hues", yes=True)
    assert (elsewhere / "precious").exists() and not (project / "data/hues").is_symlink()


def test_registered_versions_stay_and_it_says_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Workspace(project, "hues").record("register", {"version": 3})
    newcomer.remove(project, "hues", yes=True)
    assert "registered versions up to 3, in transfer ui" in capsys.readouterr().out


def cached(root: Path, digest: str, content: Any) -> Path:
    path = root / dvc_store.CACHE / digest[:2] / digest[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


LOCK = """schema: '2.0'
stages:
  ingest@colours:
    cmd: python -m tasks ingest colours
    outs:
    - path: data/colours/raw
      md5: aa11.dir
  ingest@hues:
    cmd: python -m tasks ingest hues
    outs:
    - path: data/hues/raw
      md5: bb22.dir
  finetune@hues-head:
    cmd: python -m tasks finetune hues-head
    outs:
    - path: data/hues/models/hues-head
      md5: dd44
"""


def test_the_cache_loses_what_no_other_data_set_uses(project: Path) -> None:
    (project / "dvc.lock").write_text(LOCK)
    shared, own, model = (cached(project, digest, "x") for digest in ("cc33", "ee55", "dd44"))
    theirs = cached(project, "aa11.dir", [{"md5": "cc33", "relpath": "a"}])
    listing = cached(project, "bb22.dir", [{"md5": "cc33", "relpath": "a"}, {"md5": "ee55", "relpath": "b"}])
    gone = removal.belongings(project, "hues")
    assert gone.cache == sorted([own, model, listing])
    newcomer.remove(project, "hues", yes=True)
    assert shared.exists() and theirs.exists()
    assert not own.exists() and not model.exists() and not listing.exists()
    assert (project / "dvc.lock").read_text() == LOCK[: LOCK.index("  ingest@hues")]
    newcomer.remove(project, "colours", yes=True)
    assert not (project / "dvc.lock").exists() and not shared.exists()


@pytest.mark.parametrize(("count", "told"), [(0, "0 B"), (999, "999 B"), (1400, "1.4 kB"), (2_500_000_000, "2.5 GB")])
def test_sizes_as_people_say_them(count: int, told: str) -> None:
    assert removal.size(count) == told
