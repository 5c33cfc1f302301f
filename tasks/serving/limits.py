"""What stands before the application: a token where one is set, and no body beyond the limit, however it comes."""

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
OPEN = ("/health", "/ping")
"""What is answered without a token: that somebody is there."""


class Guard:
    """An ASGI application around another; `most` bytes may a body have, `token` is null where anybody may ask."""

    def __init__(self, app: App, most: int, token: str | None) -> None:
        self._app, self._most, self._token = app, most, token

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it with the reason why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])  # ASGI's names are in lower case
        if not self._known(scope["path"], headers):
            await _refuse(
                send, 401, "a token is needed: Authorization: Bearer TOKEN", ((b"www-authenticate", b"Bearer"),)
            )
            return
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._most:
            await _refuse(send, 413, self._too_large)
            return
        await self._app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        """Count what arrives: who sends in pieces says no length beforehand."""
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._most:
                raise HTTPException(413, self._too_large)
            return message

        return counted

    def _known(self, path: str, headers: dict[bytes, bytes]) -> bool:
        if self._token is None or path in OPEN:
            return True
        given = headers.get(b"authorization", b"")
        return hmac.compare_digest(given, f"Bearer {self._token}".encode())

    @property
    def _too_large(self) -> str:
        return f"the body is larger than {self._most / 2**20:g} MiB; ask in several requests"


async def _refuse(send: Send, status: int, reason: str, more: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    body = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close"), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
