"""
The outermost layer of every request: body limits, request metric, and the last catch of errors.

Plain ASGI, because it is passed 1,500 times a second by the agents' reports. An exception that gets
here is logged by type and place and never raised further: the server would print its text, and
texts of drivers carry row values.
"""

import asyncio
from typing import Final

import sentry_sdk
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.errors import BodyTooLarge, BodyTooSlow
from control_plane.http_errors import (
    app_error_response,
    database_away_response,
    error_response,
    is_database_away,
)
from shared import metrics
from shared.clock import Clock
from shared.log import get_logger

log = get_logger(__name__)

BODY_BYTES_MAX: Final = 64 * 1024  # a prompt of 20,000 characters in most scripts
WEBHOOK_BYTES_MAX: Final = 256 * 1024  # a room with many participants and their attributes
INTERNAL_BYTES_MAX: Final = 2 * 1024 * 1024  # a report of 10,000 calls has 1 MB
BODY_LIMITS: Final = {"/internal/": INTERNAL_BYTES_MAX, "/webhooks/": WEBHOOK_BYTES_MAX}
BODY_TIMEOUT_S: Final = 10.0  # between two pieces of a body; a slower client is an attack
CLIENT_GONE: Final = 499  # as proxies count it; nobody is there to read a status

# Answers carry tokens and balances: no cache on the way may keep them.
_PRIVATE_PATHS: Final = ("/api/", "/dev/", "/internal/")
_NO_STORE: Final = (b"cache-control", b"no-store")


class RequestBoundary:
    """Wraps the whole application."""

    def __init__(
        self, app: ASGIApp, *, clock: Clock, body_timeout_s: float = BODY_TIMEOUT_S
    ) -> None:
        self._app = app
        self._clock = clock
        self._body_timeout_s = body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = self._clock.monotonic()
        answer = _Answer(send, is_private=scope["path"].startswith(_PRIVATE_PATHS))
        try:
            await self._app(scope, _limited(receive, scope, self._body_timeout_s), answer.send)
        except Exception as error:  # noqa: BLE001 - the edge of the process; counted and logged
            response = _response_to(error, scope)
            if answer.status is None:
                await response(scope, receive, answer.send)
        took_s = self._clock.monotonic() - began
        metrics.REQUEST_S.labels(_route_of(scope), answer.status).observe(took_s)


class _Answer:
    """Sends, and remembers the status; None until the answer has begun."""

    def __init__(self, send: Send, *, is_private: bool) -> None:
        self._send = send
        self._is_private = is_private
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._is_private:
                message["headers"] = [*message.get("headers", ()), _NO_STORE]
        await self._send(message)


def _response_to(error: Exception, scope: Scope) -> Response:
    """What to answer to an exception nobody handled."""
    if isinstance(error, (BodyTooLarge, BodyTooSlow)):
        return app_error_response(error)
    if isinstance(error, ClientDisconnect):
        return Response(status_code=CLIENT_GONE)
    if is_database_away(error):
        log.warning("database_away", dependency="postgres", exc_info=error)
        return database_away_response()
    log.error("request_failed", route=_route_of(scope), exc_info=error)
    sentry_sdk.capture_exception(error)
    return error_response(500, "Internal server error", code="internal_error")


def _limited(receive: Receive, scope: Scope, timeout_s: float) -> Receive:
    """`receive` that raises BodyTooLarge or BodyTooSlow. Raises the former at once if declared."""
    left = body_limit(scope["path"])
    _check(_declared_length(scope), left)
    is_whole = False

    async def receive_within_limits() -> Message:
        nonlocal left, is_whole
        if is_whole:  # what may still come is the news that the client went away
            return await receive()
        try:
            async with asyncio.timeout(timeout_s):
                message = await receive()
        except TimeoutError:
            raise BodyTooSlow from None
        size = len(message.get("body", b""))
        _check(size, left)
        left -= size
        is_whole = not message.get("more_body", False)
        return message

    return receive_within_limits


def body_limit(path: str) -> int:
    """Bytes a request to `path` may carry."""
    for prefix, limit in BODY_LIMITS.items():
        if path.startswith(prefix):
            return limit
    return BODY_BYTES_MAX


def _check(size: int, limit: int) -> None:
    if size > limit:
        raise BodyTooLarge


def _declared_length(scope: Scope) -> int:
    """Content-Length, 0 when it is absent or no number (the server refuses the latter itself)."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


def _route_of(scope: Scope) -> str:
    """The route's pattern: a path would make a label for every call id."""
    return getattr(scope.get("route"), "path", "unknown")
