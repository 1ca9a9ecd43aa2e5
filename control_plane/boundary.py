"""
The outermost layer of every request: body limits, request metric, and the last catch of errors.

Plain ASGI, because it is passed 1,500 times a second by the agents' reports. An exception that gets
here is logged by type and place and never raised further: the server would print its text, and
texts of drivers carry row values.

Headers that whatever answers shall carry (errors too): whoever knows them sets them in the dict
`request.state.response_headers`, as `dict[str, str]` with lower-case names, and they are put into
the response when it starts, in place of headers of the same name. On the programs' paths
(`v1_errors.py`) that dict begins with a fresh `request-id`, also in `request.state.request_id`;
what a client sends under that name is ignored.
"""

import asyncio
import secrets
from collections.abc import Iterable
from contextlib import suppress
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
from control_plane.limits.headers import default_rate_headers
from control_plane.v1_errors import is_for_programs
from shared import metrics
from shared.clock import Clock
from shared.log import get_logger
from shared.recording_protocol import RECORDING_BYTES_MAX, RECORDINGS_PATH

log = get_logger(__name__)

BODY_BYTES_MAX: Final = 64 * 1024  # a prompt of 20,000 characters in most scripts
WEBHOOK_BYTES_MAX: Final = 256 * 1024  # a room with many participants and their attributes
INTERNAL_BYTES_MAX: Final = 2 * 1024 * 1024  # a report of 10,000 calls has 1 MB
UPLOAD_BYTES_MAX: Final = 5 * 1024 * 1024  # a recording of 4.5 MiB in its form
LONG_TEXT_BYTES_MAX: Final = 2 * 1024 * 1024  # 100,000 characters, each written as an escape
BODY_LIMITS: Final = {
    f"/internal/v1{RECORDINGS_PATH}/": RECORDING_BYTES_MAX,  # before the shorter prefix
    "/internal/": INTERNAL_BYTES_MAX,
    "/webhooks/": WEBHOOK_BYTES_MAX,
    "/api/webhooks/": WEBHOOK_BYTES_MAX,
    "/api/stripe/webhook": WEBHOOK_BYTES_MAX,
    "/api/v1/jobs": LONG_TEXT_BYTES_MAX,
    "/api/clone-voice": UPLOAD_BYTES_MAX,
    "/api/consents/": UPLOAD_BYTES_MAX,
}
BODY_TIMEOUT_S: Final = 10.0  # between two pieces of a body; a slower client is an attack
READ_OUT_S_MAX: Final = 15.0  # for what is left of a body whose request was refused
HTTP_ERRORS: Final = 400
CLIENT_GONE: Final = 499  # as proxies count it; nobody is there to read a status

# Answers carry tokens and balances: no cache on the way may keep them.
_PRIVATE_PATHS: Final = ("/api/", "/v1/", "/dev/", "/internal/")
_NO_STORE: Final = (b"cache-control", b"no-store")
_REQUEST_ID_PREFIX: Final = "req_sv_"  # upstream's, and 32 hexadecimal digits after it


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
        more_headers = _prepare_state(scope, self._clock)
        is_private = scope["path"].startswith(_PRIVATE_PATHS)
        answer = _Answer(send, is_private=is_private, more_headers=more_headers)
        try:
            body = answer.body = _Body(receive, scope, self._body_timeout_s)
            await self._app(scope, body.receive, answer.send)
        except Exception as error:  # noqa: BLE001 - the edge of the process; counted and logged
            response = _response_to(error, scope)
            if answer.status is None:
                await response(scope, receive, answer.send)
        took_s = self._clock.monotonic() - began
        metrics.REQUEST_S.labels(_route_of(scope), answer.status).observe(took_s)


class _Answer:
    """Sends, and remembers the status; None until the answer has begun."""

    def __init__(self, send: Send, *, is_private: bool, more_headers: dict[str, str]) -> None:
        self._send = send
        self._is_private = is_private
        self._more_headers = more_headers
        self.body: _Body | None = None
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.status >= HTTP_ERRORS and self.body:
                await self.body.read_out()
            if self._is_private:
                message["headers"] = [*message.get("headers", ()), _NO_STORE]
            if self._more_headers:
                message["headers"] = self._merged(message.get("headers", ()))
        await self._send(message)

    def _merged(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        added = {
            name.lower().encode("latin-1"): value.encode("latin-1")
            for name, value in self._more_headers.items()
        }
        kept = [(name, value) for name, value in headers if name.lower() not in added]
        return [*kept, *added.items()]


def _prepare_state(scope: Scope, clock: Clock) -> dict[str, str]:
    """`request.state` of the module's docstring; the headers to add when the answer begins."""
    state = scope.setdefault("state", {})
    more_headers: dict[str, str] = {}
    state["response_headers"] = more_headers
    if is_for_programs(scope["path"]):
        state["request_id"] = _REQUEST_ID_PREFIX + secrets.token_hex(16)
        more_headers["request-id"] = state["request_id"]
        more_headers["x-request-id"] = state["request_id"]  # where OpenAI's SDK looks
        more_headers.update(default_rate_headers(clock.now()))  # until the limiter knows better
    return more_headers


def _response_to(error: Exception, scope: Scope) -> Response:
    """What to answer to an exception nobody handled, in the form of the path."""
    path = scope["path"]
    if isinstance(error, (BodyTooLarge, BodyTooSlow)):
        return app_error_response(error, path)
    if isinstance(error, ClientDisconnect):
        return Response(status_code=CLIENT_GONE)
    if is_database_away(error):
        log.warning("database_away", dependency="postgres", exc_info=error)
        return database_away_response(path)
    log.error("request_failed", route=_route_of(scope), exc_info=error)
    sentry_sdk.capture_exception(error)
    return error_response(500, "Internal server error", code="internal_error", path=path)


class _Body:
    """A request's body within its limits. Raises BodyTooLarge at once if it is declared so."""

    def __init__(self, receive: Receive, scope: Scope, timeout_s: float) -> None:
        self._receive = receive
        self._timeout_s = timeout_s
        self._left = body_limit(scope["path"])
        self._is_whole = False
        self._is_refused = False
        _check(_declared_length(scope), self._left)

    async def receive(self) -> Message:
        """Raises BodyTooLarge or BodyTooSlow."""
        if self._is_whole:  # what may still come is the news that the client went away
            return await self._receive()
        try:
            async with asyncio.timeout(self._timeout_s):
                message = await self._receive()
        except TimeoutError:
            self._is_refused = True
            raise BodyTooSlow from None
        size = len(message.get("body", b""))
        self._is_refused = size > self._left
        _check(size, self._left)
        self._left -= size
        self._is_whole = not message.get("more_body", False)
        return message

    async def read_out(self) -> None:
        """
        Drop the rest.

        Who is still sending when the connection closes finds it reset, and never our answer.
        """
        with suppress(BodyTooLarge, BodyTooSlow, TimeoutError):
            async with asyncio.timeout(READ_OUT_S_MAX):
                while not (self._is_whole or self._is_refused):
                    await self.receive()


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
