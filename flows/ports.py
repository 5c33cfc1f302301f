"""Whether a program may listen where it is asked to."""

import errno
import socket

from tasks.errors import TransferError


def free(host: str, port: int, command: str) -> None:
    """Raise TransferError, which says what to type instead, where `command` cannot listen on `host` and `port`."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            why = "is taken by another program" if taken else f"of {host} cannot be had ({error.strerror})"
            raise TransferError(f"port {port} {why}; choose one: {command} --port {port + 1}") from None
