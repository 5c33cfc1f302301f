"""One process that runs the stages of one data set: torch is imported once, and stopping it really stops the work."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from tasks.errors import TransferError

HEAVY = ["flows.heavy"]
"""What the server that workers are forked from imports before the first one is asked for."""


def prepare() -> None:
    """Let that server begin to import, beside what else is to be done before the first worker is needed."""
    if sys.platform != "darwin":
        _context()
        forkserver.ensure_running()


class StageTimeoutError(TransferError):
    """A stage took longer than its time limit and was stopped; what it would have replaced is untouched."""


class StageCrashError(Exception):
    """A stage failed for a reason that is no user's mistake; holds the worker's traceback."""


class Worker:
    """Runs stages in a process of its own. Use as a context manager: leaving it stops the process."""

    def __init__(self, root: Path) -> None:
        context = _context()
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, root, dict(os.environ))
        self._process = context.Process(target=_serve, args=arguments, name="transfer-worker")
        self._process.start()
        theirs.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self, stage: str, name: str, seconds: float) -> dict[str, Any]:
        """Run a stage and return what it counted.

        Raises the stage's own TransferError, StageTimeoutError after `seconds`, or StageCrashError.
        """
        try:
            self._pipe.send((stage, name))
            if not self._pipe.poll(seconds):
                self.stop()
                raise StageTimeoutError(f"{stage} {name}: stopped after its time limit of {seconds:,.0f} s")
            failure, answer = self._pipe.recv()
        except (EOFError, BrokenPipeError):
            self._process.join()
            raise StageCrashError(f"{stage} {name}: {_death(self._process.exitcode)}") from None
        if failure is not None:
            raise failure
        return dict(answer)

    def stop(self) -> None:
        """Stop the process, whatever it is doing."""
        self._process.terminate()
        self._process.join(timeout=5)
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _context() -> Any:
    """Return how processes begin: forked from a server that has imported but never computed; on macOS from nothing."""
    if sys.platform == "darwin":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(HEAVY)
    return context


def _death(code: int | None) -> str:
    """Say how a process ended that gave no answer."""
    killed = " (killed: most often the machine ran out of memory)" if code == -9 else ""
    return f"the worker process ended with code {code}{killed}"


def _serve(pipe: Connection, root: Path, environment: dict[str, str]) -> None:
    """Answer each (stage, name) with (None, counters) or (error, None), until the other side is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - this function only ever runs in a process of its own
    os.environ.clear()  # the server's is that of the first worker
    os.environ.update(environment)
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    os.chdir(root)
    from tasks import stages

    while True:
        try:
            stage, name = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        pipe.send(_outcome(partial(stages.run, root, stage, name)))


def _outcome(work: Callable[[], dict[str, Any]]) -> tuple[Exception | None, dict[str, Any] | None]:
    try:
        return None, work()
    except TransferError as error:
        return error, None
    except KeyboardInterrupt:
        return StageCrashError("interrupted"), None
    except BaseException:
        import traceback

        return StageCrashError(traceback.format_exc()), None


def _end_with(sentinel: int) -> None:
    """End this process when its parent is gone, so that a killed run leaves nobody working behind its back."""
    wait([sentinel])
    os._exit(1)
