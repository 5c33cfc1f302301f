"""`transfer serve`: a registered version answers over HTTP until Ctrl-C."""

import ipaddress
import os
from pathlib import Path
from typing import Any

from flows import console, ports
from tasks import config
from tasks.errors import ConfigError

TOKEN = "TRANSFER_TOKEN"  # noqa: S105 - the name of the variable
LOOKS = 5.0
"""Seconds between two looks at the registry."""
WAITING = 512
"""Requests that may wait for their turn."""


def serve(root: Path, reference: str, host: str, port: int, rows: int, mebibytes: float, seconds: float) -> None:
    """Serve NAME, NAME@ALIAS or NAME@NUMBER; without an alias the champion, whichever version that is at a time."""
    name, _, which = reference.partition("@")
    config.dataset(config.load(root), name)
    token = os.environ.get(TOKEN) or None
    if token is None and not _local(host):
        raise ConfigError(
            f"--host {host}: whoever reaches this machine could ask; set {TOKEN} to a secret, or serve on 127.0.0.1"
        )
    ports.free(host, port, f"transfer serve {reference}")
    import uvicorn

    from tasks.records.registry import CHAMPION
    from tasks.serving.app import Limits, service
    from tasks.serving.holder import Holder

    limits = Limits(rows, int(mebibytes * 2**20), seconds, WAITING)
    with Holder(root, name, which or CHAMPION, LOOKS, lambda version: _told(name, version)) as holder:
        _told(name, holder.current.version)
        console.out.print(f"serve  http://{host}:{port}   (Ctrl-C ends it)")
        uvicorn.run(service(holder, limits, token), host=host, port=port, log_level="warning", timeout_keep_alive=30)


def _told(name: str, version: dict[str, Any]) -> None:
    console.out.print(f"{name}  version {version['version']} {' '.join(version['aliases'])}".rstrip(), markup=False)


def _local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
