"""`transfer predict`, `show` and `ui`: what a user asks of what was made."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from flows import console, ports
from tasks import config
from tasks.errors import RegistryError
from tasks.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd


def predict(root: Path, dataset: str, inputs: list[str], training: str | None, output: Path | None) -> None:
    """Answer for the inputs, with the champion or the model of `training`; print a table or write a CSV file."""
    declared = config.dataset(config.load(root), dataset)
    from tasks.predict import Predictor, answers
    from tasks.records import registry
    from tasks.sources.inputs import read_inputs

    questions = read_inputs(inputs, declared.modality)
    directory = _model(root, dataset, training) if training else registry.champion_directory(root, dataset)
    answered = answers(Predictor.load(directory), questions)
    if output is not None:
        console.out.print(f"{_write(answered, output):,} answers in {output}")
        return
    for part in answered:
        _print(part)


def _print(answered: "pd.DataFrame") -> None:
    """Print answers as a table, shares with three digits; a column that is empty throughout is left out."""
    shown = answered.drop(columns=[name for name in answered if (answered[name] == "").all()])
    console.table("", list(shown.columns), [[_cell(value) for value in row] for row in shown.to_numpy().tolist()])


def _cell(value: object) -> str:
    """Return what stands in a table: nothing where a refused input has no answer."""
    if isinstance(value, float):
        return "" if value != value else f"{value:.3f}"
    return str(value)


def _write(answered: "Iterator[pd.DataFrame]", output: Path) -> int:
    """Write answers to a CSV file, which takes its place when it is complete; return their number."""
    beside, count = output.with_name(f".{output.name}.part"), 0
    with beside.open("w", encoding="utf-8", newline="") as stream:
        for part in answered:
            part.to_csv(stream, index=False, header=count == 0)
            count += len(part)
    beside.replace(output)
    return count


def show(root: Path, reference: str) -> None:
    """Print where the version NAME, NAME@ALIAS or NAME@NUMBER comes from."""
    name, _, which = reference.partition("@")
    config.dataset(config.load(root), name)
    from tasks.records import registry

    known = registry.describe(root, name, which or registry.CHAMPION)
    console.out.print(f"[bold]{name}[/bold]  version {known['version']} {' '.join(known['aliases'])}".rstrip())
    for label, parts in ORIGIN.items():
        told = [text.format(known[key]) for key, text in parts.items() if known.get(key) not in (None, "")]
        if told:
            console.out.print(f"  {label:<10}{', '.join(told)}", markup=False)


ORIGIN = {
    "run": {"run_id": "{}", "registered": "registered {}"},
    "training": {"training": "{}"},
    "metric": {"metric": "{}", "value": "{}", "low": "interval from {}", "high": "to {}"},
    "decision": {"decision": "{}"},
    "data": {
        "data_path": "{}",
        "data_samples": "{} samples",
        "data_md5": "md5 {}",
        "manifest_sha256": "manifest sha256 {}",
    },
    "code": {"git_commit": "commit {}", "git_diff_lines": "{} changed lines kept with the run"},
    "backbone": {"backbone": "{}", "backbone_sha256": "sha256 {}", "backbone_licence": "{}"},
    "model": {"model_digest": "sha256 {}"},
}
"""What `show` tells of a version, line by line: which facts, and in which words."""


def ui(root: Path, port: int) -> int:
    """Serve the MLflow pages until Ctrl-C; return the exit code."""
    from tasks.records import tracking

    ports.free("127.0.0.1", port, "transfer ui")
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", tracking.address(root)]
    command += [
        "--default-artifact-root",
        str(root / ".local" / "artifacts"),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    console.out.print(f"MLflow  http://127.0.0.1:{port}   (Ctrl-C ends it)")
    server = subprocess.Popen(command, cwd=root, start_new_session=True)
    try:
        return server.wait()
    except KeyboardInterrupt:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
        return 0


def _model(root: Path, dataset: str, training: str) -> Path:
    directory = Workspace(root, dataset).model(training)
    if not directory.exists():
        there = sorted(path.name for path in directory.parent.glob("*")) or ["none yet"]
        raise RegistryError(
            f"{dataset} has no model {training!r}; there are: {', '.join(there)}; transfer run {dataset}"
        )
    return directory
