"""Lets native decoders work in processes of their own: one that dies or hangs costs a sample, not the run."""

import json
import os
import signal
import subprocess
import sys
from collections import deque
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import numpy as np

from tasks import errors
from tasks.errors import BadSample
from tasks.modalities import Unpacked

ATTEMPTS = 2
"""A sample on which the process died is tried once more in a fresh one: it may have died of another one's doing."""
HOME = Path(__file__).resolve().parent.parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""There are as many processes as cores: none needs threads of its own."""
ANOTHER_PROGRAM = "save it again with another program, or take it out"
CROWDED = "free memory and run again, or make it smaller"


class Decoders:
    """Processes that unpack one file's bytes after the other; many threads may ask. Leaving it ends them.

    `module` has the function `unpack`. They begin at once, so that they are ready when the first is asked.
    """

    def __init__(self, module: str, settings: dict[str, Any], backbone: Path, count: int) -> None:
        self._arguments = [module, json.dumps(settings), str(backbone.resolve())]
        self._all: list[_Process] = []
        self._idle: deque[_Process] = deque()
        self._open = True
        self._idle.extend(self._begun() for _ in range(count))

    def __enter__(self) -> "Decoders":
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False
        for process in list(self._all):
            process.kill()
            process.end()

    def unpack(self, content: bytes) -> Unpacked:
        """Return what the module makes of a file; BadSample where it cannot, dies or never comes to an end."""
        fault = BadSample("", "")
        for _ in range(ATTEMPTS):
            process = self._free()
            try:
                answer, array = process.ask(content)
            except (EOFError, OSError):
                fault = _fault(process.end())
                self._all.remove(process)
            else:
                self._idle.append(process)
                return _read(answer, array)
        raise fault

    def _free(self) -> "_Process":
        try:
            return self._idle.popleft()
        except IndexError:
            return self._begun()

    def _begun(self) -> "_Process":
        if not self._open:
            raise RuntimeError("the decoders were ended")
        self._all.append(_Process(self._arguments))
        return self._all[-1]


class _Process:
    """One process and the pipe to it. Nothing is pickled: what comes out of a decoder is not to be trusted."""

    def __init__(self, arguments: list[str]) -> None:
        self._pipe, theirs = Pipe()
        command = [sys.executable, "-m", "tasks.isolated", str(theirs.fileno()), *arguments]
        nowhere = subprocess.DEVNULL  # decoders print warnings of their own
        self._process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            cwd=HOME,
            env=os.environ | ONE_THREAD,
            stdin=nowhere,
            stdout=nowhere,
            stderr=nowhere,
        )
        theirs.close()
        self._ready = False

    def ask(self, content: bytes) -> tuple[dict[str, Any], bytes]:
        """Send a file's bytes; return the answer and the bytes of its array. EOFError, OSError where it died."""
        if not self._ready:
            self._begin()
        self._pipe.send_bytes(content)
        return json.loads(self._pipe.recv_bytes()), self._pipe.recv_bytes()

    def _begin(self) -> None:
        try:
            said = self._pipe.recv_bytes().decode()
        except EOFError:
            said = f"it ended with code {self._process.wait()}"
        if said:
            raise RuntimeError(f"a process that decodes could not begin: {said}")
        self._ready = True

    def end(self) -> int:
        """Return how it ended, which whoever asked noticed; end it where only its pipe is gone."""
        try:
            return self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return self.kill()
        finally:
            self._pipe.close()

    def kill(self) -> int:
        """End it, whatever it is doing."""
        self._process.kill()
        return self._process.wait()


def _read(answer: dict[str, Any], array: bytes) -> Unpacked:
    """Return what was unpacked, or raise what was raised in the other process."""
    if "refused" in answer:
        raise BadSample(*answer["refused"])
    if "failed" in answer:
        kind, message = answer["failed"]
        raise getattr(errors, kind, RuntimeError)(message)
    return Unpacked(np.frombuffer(array, answer["dtype"]).reshape(answer["shape"]), answer["facts"])


def _fault(code: int) -> BadSample:
    """Say how the process ended that was unpacking a sample."""
    if code == -signal.SIGALRM:
        return BadSample("its decoder came to no end", ANOTHER_PROGRAM)
    if code == -signal.SIGKILL:
        return BadSample("its decoder was killed: most often the machine ran out of memory", CROWDED)
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return BadSample(f"the decoder crashed on it ({how})", ANOTHER_PROGRAM)
