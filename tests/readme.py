"""The README's commands, and a shell that runs them as a user types them."""

import re
import subprocess
import sys
from pathlib import Path

from project import REPOSITORY, Project, environment


def blocks() -> list[list[str]]:
    """The commands of the README, block by block."""
    found = re.findall(r"^```(\w*)\n(.+?)^```", (REPOSITORY / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    return [block.strip().split("\n") for language, block in found if not language]


def typed(project: Project, commands: list[str]) -> str:
    """Run these commands in one shell, the environment activated as the README says; return what they printed."""
    place = project.root / ".venv" / "bin"
    place.mkdir(parents=True, exist_ok=True)
    (place / "activate").write_text(f'export PATH="{place}:{Path(sys.executable).parent}:$PATH"\n')
    (place / "transfer").write_text(f'#!/bin/sh\nexec {sys.executable} -m flows.cli "$@"\n')
    (place / "transfer").chmod(0o755)
    script = "set -euxo pipefail\nsource .venv/bin/activate\n" + "\n".join(commands)
    done = subprocess.run(
        ["bash", "-c", script], cwd=project.root, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
