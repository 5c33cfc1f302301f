"""A decoder that takes its process with it, as a broken native library does; other files it reads as text."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from tasks.errors import BadSample
from tasks.modalities import Unpacked


def unpack(content: bytes, settings: Any, backbone: Path) -> Unpacked:
    """Do what the first word of the file says; each thing is what happens in native code sooner or later."""
    word, _, rest = content.decode().partition(" ")
    if word == "signal":
        os.kill(os.getpid(), int(rest))
    if word == "exit":
        os._exit(int(rest))
    if word == "hang":
        signal.setitimer(signal.ITIMER_REAL, 0.1)  # the bound of the process, made short
        time.sleep(600)
    if word == "once" and not Path(rest).exists():
        Path(rest).touch()
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "bad":
        raise BadSample("is bad", "make it good")
    if word == "bug":
        raise ZeroDivisionError(rest)
    return Unpacked(np.full((4, 4, 3), len(content), np.uint8), {"several": False})


def finish(unpacked: Unpacked, settings: Any, backbone: Path) -> Any:
    """As pictures do."""
    from tasks.modalities import image

    return image.finish(unpacked, settings, backbone)
