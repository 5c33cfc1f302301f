"""A hub in miniature: the few routes of the Hugging Face hub that its client's snapshot_download uses."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlparse

COMMIT = "5e3b1c2" + "0" * 33


@dataclass
class Hub:
    """Serves the files of `folder` as the model `somebody/some-model`, at one commit that `main` points to."""

    folder: Path
    asked: list[str] = field(default_factory=list)
    """What was asked for, in order."""

    @cached_property
    def server(self) -> ThreadingHTTPServer:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self, with_body=True)

            def do_HEAD(self) -> None:
                hub.answer(self, with_body=False)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, request: BaseHTTPRequestHandler, with_body: bool) -> None:
        """Answer as huggingface.co does: by JSON below /api, by files below /resolve."""
        path = unquote(urlparse(request.path).path)
        self.asked.append(f"{request.command} {path}")
        model, api = "somebody/some-model", "/api/models/somebody/some-model"
        if path in (f"{api}/revision/main", f"{api}/revision/{COMMIT}"):
            siblings = [{"rfilename": name} for name in self._names()]
            self._send(request, json.dumps({"id": model, "sha": COMMIT, "siblings": siblings}).encode(), with_body)
        elif path == f"{api}/tree/{COMMIT}":
            self._send(request, json.dumps([self._entry(name) for name in self._names()]).encode(), with_body)
        elif path.startswith(f"/{model}/resolve/{COMMIT}/") and (self.folder / Path(path).name).is_file():
            self._send(request, (self.folder / Path(path).name).read_bytes(), with_body)
        else:
            kind = "RevisionNotFound" if path.startswith(api) else "EntryNotFound"
            self._send(request, b"", with_body, status=404, error=kind)

    def _names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def _entry(self, name: str) -> dict[str, object]:
        content = (self.folder / name).read_bytes()
        return {"type": "file", "path": name, "size": len(content), "oid": _digest(content)}

    def _send(
        self, request: BaseHTTPRequestHandler, body: bytes, with_body: bool, status: int = 200, error: str = ""
    ) -> None:
        request.send_response(status)
        headers = {"Content-Length": str(len(body)), "X-Repo-Commit": COMMIT, "X-Error-Code": error}
        headers["ETag"] = f'"{_digest(body)}"'
        for name, value in headers.items():
            if value:
                request.send_header(name, value)
        request.end_headers()
        if with_body:
            request.wfile.write(body)


def _digest(content: bytes) -> str:
    """Forty digits, as git's are."""
    return hashlib.sha256(content).hexdigest()[:40]


@contextmanager
def serving(folder: Path) -> Iterator[Hub]:
    """Serve `folder` while the block runs."""
    hub = Hub(folder)
    thread = Thread(target=hub.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.server.shutdown()
        hub.server.server_close()
        thread.join()
