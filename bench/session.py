"""One contestant in one repeat: its steps one after the other, in a folder of its own."""

import json
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench import numbers
from bench.kept import Shelf, fingerprint
from bench.ours import project
from bench.plan import Contestant, Plan, Suite
from bench.running import run
from bench.sets import read_table
from tasks.errors import TransferError

FOREIGN = ("PREFECT", "MLFLOW", "TRANSFER", "PYTHONPATH", "OMP_", "MKL_", "HF_", "TOKENIZERS")
"""What a user's environment may say that would make two of them unequal."""
WITH_OURS = ("bench.ours", "bench.micro.ours", "bench.micro.openvino")
"""The modules that call our code."""


@dataclass(frozen=True)
class Session:
    """A contestant, where it works, and what it is given; `set_folder` as bench/sets.py writes it."""

    root: Path
    plan: Plan
    suite_name: str
    suite: Suite
    name: str
    set_folder: Path
    repeat: int

    @property
    def contestant(self) -> Contestant:
        """Who is measured."""
        return self.suite.contestants[self.name]

    @property
    def work(self) -> Path:
        """Where it works."""
        return self.root / ".local" / "bench" / "work" / self.suite_name / self.name

    @property
    def shelf(self) -> Shelf:
        """Where its measurements are kept."""
        folder = self.root / ".local" / "bench" / "measurements" / self.suite_name / self.name / str(self.repeat)
        told = [self.contestant.model_dump(), self.suite.rows, self.suite.recipe, self.suite.seconds_limit]
        return Shelf(folder, fingerprint(self._code(), [*told, self.plan.threads]))

    def measure(self) -> None:
        """Measure the steps that are missing, and tell each."""
        shelf = self.shelf
        missing = shelf.missing(self.contestant.steps)
        for step in missing:
            shelf.begin(step)
            if step == self.contestant.steps[0]:
                shutil.rmtree(self.work, ignore_errors=True)
                self.work.mkdir(parents=True)
            measured = self._step(step) | {"at": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())}
            shelf.keep(step, measured)
            _tell(f"{self.suite_name:<16} {self.name:<26} {self.repeat + 1}  {step:<8} {measured['seconds']:8.2f} s")
        if missing:
            shutil.rmtree(self.work, ignore_errors=True)

    def _step(self, step: str) -> dict[str, Any]:
        if self.contestant.way is not None and step not in ("one", "many", "measure"):
            return self._ours(step)
        verb = step if step in ("one", "many", "measure") else "fit"
        job, out = self._job(step)
        spent = self._run([self._python(), "-m", "bench.contestant", self.contestant.module, verb, str(job)], step)
        told: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        answers = told.pop("answers", None)
        return spent | told | ({"accuracy": self._accuracy(answers)} if answers else {})

    def _ours(self, step: str) -> dict[str, Any]:
        """Bring the project to where the step begins, which is not timed, and run what a user types."""
        training = self.contestant.training
        if training is None:
            raise TransferError(f"{self.name}: names no training")
        if step == "cold":
            project.make(self.root, self.work, self.set_folder, training)
        if step == "head":
            project.change_head(self.work)
        if step == "more":
            project.add_samples(self.work, self.set_folder, extra=True)
        command = [sys.executable, "-m", "flows.cli", "run"]
        if self.contestant.way == "stages":
            which = "head" if step == "head" else "all"
            command = [sys.executable, "-m", "bench.ours.stages", self.suite.dataset, training, which]
        spent = self._run(command, step, self.work)
        [table] = (self.work / "data").glob(f"*/evaluation/predictions/{training}.parquet")
        answered = pd.read_parquet(table)
        answered = answered[answered["split"] == "test"]
        return spent | {"accuracy": self._accuracy(dict(zip(answered["id"], answered["answer"], strict=True)))}

    def _job(self, step: str) -> tuple[Path, Path]:
        """Write what the contestant's process is to do."""
        job, out = self.work / "job.json", self.work / "out.json"
        told = {
            "set": str(self.set_folder),
            "work": str(self.work),
            "out": str(out),
            "extra": step == "more",
            "variant": 1 if step == "head" else 0,
        }
        job.write_text(json.dumps(told), encoding="utf-8")
        return job, out

    def _run(self, command: list[str], step: str, folder: Path | None = None) -> dict[str, Any]:
        own = environment(self.root, folder, self.plan.threads) | {"HF_HOME": str(self.work / "huggingface")}
        log = self.root / ".local" / "bench" / "logs" / self.suite_name / self.name / f"{self.repeat}-{step}.txt"
        return run(command, folder or self.root, own, log, self.plan.limit_seconds).told()

    def _python(self) -> str:
        if self.contestant.environment is None:
            return sys.executable
        folder = self.root / ".local" / "bench" / "environments" / self.contestant.environment
        return str(folder / "bin" / "python")

    def _accuracy(self, answers: dict[str, str]) -> dict[str, float | None]:
        rows = read_table(self.set_folder)
        test = rows[rows["split"] == "test"]
        labels, groups = (dict(zip(test["id"], test[name], strict=True)) for name in ("label", "group"))
        return numbers.accuracy(answers, labels, groups)

    def _code(self) -> list[Path]:
        """Return the files a measurement depends on: of a rival its script, of what calls our code all of that."""
        bench = self.root / "bench"
        files = [bench / "contestant.py", bench / "data.py", bench / "sets.py"]
        if self.contestant.environment:
            files.append(bench / "environments" / f"{self.contestant.environment}.txt")
        if self.contestant.module.startswith(WITH_OURS):
            ours = [path for name in ("tasks", "flows") for path in (self.root / name).rglob("*.py")]
            own = [*(bench / "ours").glob("*.py"), *(bench / "micro").glob("o*.py")]
            return [*files, *ours, *own, self.root / "dvc.yaml", self.root / "params.yaml"]
        return [*files, (self.root / self.contestant.module.replace(".", "/")).with_suffix(".py")]


def environment(root: Path, project_folder: Path | None, threads: int) -> dict[str, str]:
    """Return the environment of a measured process: so many threads, no network, nothing else a user may have set.

    In reach is the code of the project it runs in, where there is one, and the bench's.
    """
    own = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    code = [str(folder) for folder in (project_folder, root) if folder]
    return own | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{own.get('PATH', '')}",
        "PYTHONPATH": os.pathsep.join(code),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "TRANSFER_THREADS": str(threads),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DVC_NO_ANALYTICS": "1",
    }


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
