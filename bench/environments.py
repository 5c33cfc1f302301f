"""Environments of rivals that need other libraries than ours, each from a file of pinned requirements.

One holds what differs only: torch and whatever else agrees is taken from our own environment, which stands behind it.
So AutoGluon runs with our torch, which its own pins forbid and without which it does not import here.
"""

import subprocess
import sys
import sysconfig
from pathlib import Path

from tasks.workspace import sha256_of

BEHIND = "zz-behind.pth"
DONE = "installed.txt"


def make(root: Path, name: str) -> None:
    """Make the environment `name` in .local/bench/environments, unless it is there with the same requirements."""
    wanted = root / "bench" / "environments" / f"{name}.txt"
    folder = root / ".local" / "bench" / "environments" / name
    state = f"{sha256_of(wanted)} {sysconfig.get_path('purelib')}"
    if (folder / DONE).exists() and (folder / DONE).read_text() == state:
        return
    sys.stderr.write(f"setting up {folder.relative_to(root)}\n")
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / BEHIND).write_text(f"{sysconfig.get_path('purelib')}\n")
    install = ["-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps", "--ignore-installed"]
    subprocess.run([folder / "bin" / "python", *install, "--requirement", wanted], check=True)
    (folder / DONE).write_text(state)
