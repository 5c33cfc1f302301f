"""`python -m tasks.isolated PIPE MODULE SETTINGS BACKBONE`: a process that unpacks files for tasks.isolation."""

import json
import signal
import sys
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from tasks.errors import BadSample
from tasks.modalities import Decoder

Buffer = bytes | memoryview

SECONDS = 60
"""How long one file may take. The largest that are allowed take a few seconds; the rest are made to hang."""


def main(arguments: list[str]) -> None:
    """Answer each file's bytes with a line of JSON and the bytes of an array, until nobody asks any more."""
    number, module, settings, backbone = arguments
    declared = SimpleNamespace(**json.loads(settings))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who asks
    with Connection(int(number)) as pipe:
        try:
            decoder: Any = import_module(module)
        except Exception as error:
            pipe.send_bytes(f"{type(error).__name__}: {error}".encode())
            return
        pipe.send_bytes(b"")
        while True:
            try:
                content = pipe.recv_bytes()
            except (EOFError, OSError):
                return
            signal.setitimer(signal.ITIMER_REAL, SECONDS)  # no handler: the kernel ends us, whatever a library does
            answer, array = outcome(decoder, content, declared, Path(backbone))
            signal.setitimer(signal.ITIMER_REAL, 0)
            pipe.send_bytes(json.dumps(answer).encode())
            pipe.send_bytes(array)


def outcome(decoder: Decoder, content: bytes, settings: Any, backbone: Path) -> tuple[dict[str, Any], Buffer]:
    """Return what became of one file, and the bytes of its array."""
    try:
        array, facts = decoder.unpack(content, settings, backbone)
    except BadSample as reason:
        return {"refused": [str(reason), reason.mend]}, b""
    except Exception as error:
        return {"failed": [type(error).__name__, str(error)]}, b""
    return {"dtype": array.dtype.str, "shape": array.shape, "facts": facts}, np.ascontiguousarray(array).data.cast("B")


if __name__ == "__main__":
    main(sys.argv[1:])
