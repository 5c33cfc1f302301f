"""`python -m bench.contestant MODULE fit|one|many|measure JOB`: what a contestant's process does, the same for all.

A contestant is a module with `fit(data, work) -> list[str]`, which learns, saves a model into the folder `work` and
returns its answers for `data.test`, and `load(work) -> Ask`, which makes that model ready to answer. One of the
micro-benches has `measure(data, work)`, which returns seconds by what took them, and the number of `samples`.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from bench import data

Ask = Callable[[list[str]], list[str]]
COUNTS = {"one": 1, "many": 32}
AGAIN = 7
"""How often a loaded model is asked the same."""


def main(arguments: list[str]) -> None:
    """Do one step and write what is told of it to the job's `out`."""
    module, step, job = import_module(arguments[0]), arguments[1], Path(arguments[2])
    given, told = data.read(job), json.loads(job.read_text(encoding="utf-8"))
    work = Path(told["work"])
    Path(told["out"]).write_text(json.dumps(_done(module, step, given, work)), encoding="utf-8")


def _done(module: Any, step: str, given: data.Data, work: Path) -> dict[str, Any]:
    if step == "measure":
        return {"measured": module.measure(given, work)}
    if step == "fit":
        return {"answers": dict(zip(given.test["id"], module.fit(given, work), strict=True))}
    return asked(module.load(work), given.test["content"].tolist()[: COUNTS[step]])


def asked(ask: Ask, contents: list[str]) -> dict[str, Any]:
    """Ask about these contents, then again and again: the first time lazy things are still being made."""
    seconds = []
    for _ in range(1 + AGAIN):
        started = time.perf_counter()
        ask(contents)
        seconds.append(time.perf_counter() - started)
    return {"first_seconds": seconds[0], "warm_seconds": median(seconds[1:])}


if __name__ == "__main__":
    main(sys.argv[1:])
