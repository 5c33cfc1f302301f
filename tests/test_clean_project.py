"""`transfer clean` in a project with three registered versions of different data, by real DVC and a real registry."""

from pathlib import Path

import pytest
from project import Project, copy_code, make, write_texts
from readme import blocks, typed

from tasks import dvc_store
from tasks.records import registry
from tasks.workspace import sha256_of

pytestmark = pytest.mark.integration


def run(project: Project, rows: int) -> None:
    write_texts(project.root / "texts" / "colours.csv", rows)
    done = project.transfer("run")
    assert done.returncode == 0, done.stdout + done.stderr


def checked_out(project: Project, md5: str) -> Path | None:
    """Bring a folder of that md5 back from DVC's cache, as a file in git would name it; null where it is gone."""
    place = project.root / "back"
    (project.root / "back.dvc").write_text(f"outs:\n- {{path: back, md5: {md5}, hash: md5}}\n")
    done = project.dvc("checkout", "back.dvc")
    return place if done.returncode == 0 else None


def test_a_registered_version_can_be_traced_to_its_data_and_what_nothing_needs_is_gone(tmp_path: Path) -> None:
    project = make(tmp_path / "project")
    project.change("trainings: [colours-head, colours-partial]", "trainings: [colours-head]")
    for rows in (120, 160, 200):
        run(project, rows)
    old = {version["version"]: version for version in registry.versions(project.root, "colours")}
    assert [version["aliases"] for version in old.values()] == [["challenger"], [], ["champion"]]
    stale = project.stale()

    commands = next(block for block in blocks() if block[0].startswith("transfer clean"))
    assert commands == ["transfer clean", "transfer clean --yes --store 2"]
    told = typed(project, commands)
    assert "versions neither champion nor challenger: colours 2" in told and "\nfreed " in told

    assert [version["version"] for version in registry.versions(project.root, "colours")] == ["3", "1"]
    assert project.stale() == stale
    back = checked_out(project, old["1"]["data_md5"])
    assert back is not None and sha256_of(back / "manifest.parquet") == old["1"]["manifest_sha256"]
    assert checked_out(project, old["2"]["data_md5"]) is None
    assert "nothing to free" in project.transfer("clean").stdout

    run(project, 160)
    again = registry.describe(project.root, "colours", "challenger")
    assert again["model_digest"] == old["2"]["model_digest"] and again["version"] != "2"
    assert registry.version_directory(project.root, "colours", again["version"]).exists()


def test_a_cache_that_others_share_is_not_ours_to_free(tmp_path: Path) -> None:
    copy_code(tmp_path / "project")
    assert dvc_store.cache(tmp_path / "project") == tmp_path / "project" / ".dvc" / "cache"
    with (tmp_path / "project" / ".dvc" / "config").open("a") as stream:
        stream.write(f"[cache]\n    dir = {tmp_path / 'shared'}\n")
    assert dvc_store.cache(tmp_path / "project") is None
