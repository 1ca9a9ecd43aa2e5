"""What the servers of all protocols have in common: they listen, remember and misbehave."""

import asyncio
import secrets
import zlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from tests.fakes.providers.trouble import Trouble

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BODY_BYTES_MAX = 16 * 2**20
TOO_MUCH_BYTES = 56 * 2**20  # more than any provider of ours reads
PIECE_BYTES = 64 * 2**10
STATUSES = {
    Trouble.FAILS: 500,
    Trouble.IS_AWAY: 503,
    Trouble.RATE_LIMITS: 429,
    Trouble.DENIES_THE_KEY: 401,
}
KINDS = {401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}
PAGE = b"<html><body>Bad gateway, but we say 200</body></html>"


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class ProviderServer(ABC):
    """
    `trouble` holds for the next `times` requests that ask for audio, for all of them if None.

    `gone` counts clients that hung up while they were answered.
    """

    base_url: str = ""
    trouble: Trouble | None = None
    times: int | None = None
    seen: list[Seen] = field(default_factory=list)
    gone: int = 0
    sent_bytes: int = 0
    pause: asyncio.Event = field(default_factory=asyncio.Event)  # streams wait in the middle

    @abstractmethod
    def routes(self) -> list[web.RouteDef]: ...

    @abstractmethod
    def refusal(self, status: int, words: str, *, kind: str) -> web.Response:
        """An error in the protocol's shape; `kind` is its word for what happened."""

    @abstractmethod
    def content_refusal(self) -> web.Response: ...

    @abstractmethod
    def too_long_refusal(self) -> web.Response: ...

    @abstractmethod
    def without_audio(self) -> web.Response:
        """A success in which there is no audio."""

    def carries_audio(self, request: web.Request) -> bool:
        """Whether this is the request that audio comes back from."""
        return request.method == "POST"

    def asks(self, request: web.Request) -> bool:
        """Whether this is the request that is refused when the text is."""
        return request.method == "POST"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        self.pause.set()
        app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[self._misbehave])
        app.add_routes(self.routes())
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()

    @web.middleware
    async def _misbehave(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else {}
        self.seen.append(Seen(request.path, dict(request.headers), body))
        try:
            return await self._answer(request, handler)
        except (asyncio.CancelledError, ConnectionError):
            self.gone += 1
            raise

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        trouble = self._take(request)
        if trouble is None:
            return await handler(request)
        if trouble is Trouble.STALLS:
            await asyncio.Event().wait()
        if trouble in STATUSES:
            status = STATUSES[trouble]
            # As careless as some are: the key and the text of the customer are told back.
            words = f"Failed: {dict(request.headers)} {await request.text()}"
            return self.refusal(status, words, kind=KINDS[status])
        if trouble is Trouble.REFUSES_CONTENT:
            return self.content_refusal()
        if trouble is Trouble.FINDS_IT_TOO_LONG:
            return self.too_long_refusal()
        if trouble is Trouble.SENDS_NO_AUDIO:
            return self.without_audio()
        return await self._send_nonsense(request, handler, trouble)

    def _take(self, request: web.Request) -> Trouble | None:
        of_the_question = {
            *STATUSES,
            Trouble.REFUSES_CONTENT,
            Trouble.FINDS_IT_TOO_LONG,
            Trouble.SENDS_NO_AUDIO,
        }
        concerns = self.asks if self.trouble in of_the_question else self.carries_audio
        if self.trouble is None or not concerns(request) or self.times == 0:
            return None
        if self.times is not None:
            self.times -= 1
        return self.trouble

    async def _send_nonsense(
        self, request: web.Request, handler: Handler, trouble: Trouble
    ) -> web.StreamResponse:
        if trouble is Trouble.HANGS_UP:
            return _hang_up(request)
        if trouble is Trouble.SENDS_A_PAGE:
            return web.Response(body=PAGE, content_type="text/html")
        right = await handler(request)
        assert isinstance(right, web.Response)
        assert isinstance(right.body, bytes)
        if trouble is Trouble.SENDS_GARBAGE:
            noise = secrets.token_bytes(len(right.body))
            return web.Response(body=noise, content_type=right.content_type)
        if trouble is Trouble.SENDS_PACKED:
            packed = zlib.compress(bytes(PIECE_BYTES))
            headers = {"Content-Encoding": "deflate"}
            return web.Response(body=packed, content_type=right.content_type, headers=headers)
        if trouble is Trouble.SENDS_TOO_MUCH:
            return await self._send_too_much(request, right)
        return await _send_half(request, right)

    async def _send_too_much(self, request: web.Request, right: web.Response) -> web.StreamResponse:
        assert isinstance(right.body, bytes)
        response = web.StreamResponse(headers={"Content-Type": right.headers["Content-Type"]})
        response.enable_chunked_encoding()
        await response.prepare(request)
        piece = (right.body * (PIECE_BYTES // len(right.body) + 1))[:PIECE_BYTES]
        while self.sent_bytes < TOO_MUCH_BYTES:
            await response.write(piece)
            self.sent_bytes += len(piece)
        return response


def _hang_up(request: web.Request) -> web.Response:
    assert request.transport
    request.transport.abort()
    return web.Response()


async def _send_half(request: web.Request, right: web.Response) -> web.StreamResponse:
    """The full length is promised."""
    assert isinstance(right.body, bytes)
    response = web.StreamResponse(headers={"Content-Type": right.headers["Content-Type"]})
    response.content_length = len(right.body)
    await response.prepare(request)
    await response.write(right.body[: len(right.body) // 2])
    assert request.transport
    request.transport.abort()
    return response
