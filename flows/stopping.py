"""Ctrl-C while processes work: all of them end at once, and one line says that nothing is lost."""

import os
import signal

import psutil

from flows import console


def end_at_once() -> None:
    """From now on, let Ctrl-C and a request to end stop this process and all that it started."""
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)


def _stop(number: int, _frame: object) -> None:
    """End with all children. A terminal's Ctrl-C has reached them too: they can be told nothing more."""
    for child in psutil.Process().children(recursive=True):
        child.kill()
    console.failure("interrupted; nothing is lost, the next run goes on from here")
    os._exit(128 + number)
