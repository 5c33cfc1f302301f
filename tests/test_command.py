"""`python -m tasks`, as DVC calls it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_stage_that_is_none_is_answered_by_its_usage() -> None:
    answered = call("-m", "tasks", "cook", "solar-cells")
    assert answered.returncode == 2
    assert answered.stderr.startswith("usage: python -m tasks {ingest,")


def test_a_python_without_our_packages_is_told_to_activate_the_environment() -> None:
    answered = call("-S", "-m", "tasks", "ingest", "solar-cells")
    assert answered.returncode == 1
    assert answered.stderr.count("\n") == 1
    assert "activate the environment: source .venv/bin/activate" in answered.stderr


def test_a_data_set_that_is_none_is_one_line() -> None:
    answered = call("-m", "tasks", "ingest", "solar-cell")
    assert answered.returncode == 1
    assert answered.stderr.count("\n") == 1
    assert "Did you mean solar-cells?" in answered.stderr
