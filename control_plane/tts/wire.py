"""
The HTTP client that every provider's SDK is given: it reads no more than a limit.

Redirects are not followed and nothing is retried, so a key goes where it was meant to go, once for
each attempt. Patience (time-outs, retries) is the studio's; the limits here only free sockets.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import httpx2

ANSWER_BYTES_MAX: Final = 48 * 2**20  # ten minutes of 24 kHz PCM, as base64 in JSON
CONNECT_TIMEOUT_S: Final = 5.0
READ_TIMEOUT_S: Final = 150.0  # between two reads; above what the studio waits for a whole answer
CONNECTIONS_MAX: Final = 200  # of one provider; how much work is let in is decided elsewhere
IDLE_CONNECTIONS_MAX: Final = 20


_noted: ContextVar[list[httpx2.AsyncByteStream] | None] = ContextVar("_noted", default=None)


class UnusableAnswer(Exception):
    """An answer over the limit, or packed so that its size cannot be known."""


@contextmanager
def answers_noted(noted: list[httpx2.AsyncByteStream]) -> Iterator[None]:
    """
    Note the answers that begin inside, to be closed by whoever asked.

    For SDKs that hand out a stream and leave its connection to the garbage collector.
    """
    token = _noted.set(noted)
    try:
        yield
    finally:
        _noted.reset(token)


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Counts what an answer brings. Packed answers are refused: a few bytes may unpack to any."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, *, answer_bytes_max: int) -> None:
        self._inner = inner
        self._answer_bytes_max = answer_bytes_max

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["Accept-Encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        if not self._is_acceptable(response):
            await response.stream.aclose()
            raise UnusableAnswer
        response.stream = _CountedStream(response.stream, self._answer_bytes_max)
        noted = _noted.get()
        if noted is not None:
            noted.append(response.stream)
        return response

    def _is_acceptable(self, response: httpx2.Response) -> bool:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            return False
        length = response.headers.get("Content-Length", "0")
        return length.isdigit() and int(length) <= self._answer_bytes_max

    async def aclose(self) -> None:
        await self._inner.aclose()


class _CountedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, bytes_max: int) -> None:
        self._inner = inner
        self._bytes_left = bytes_max

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._inner:
            self._bytes_left -= len(piece)
            if self._bytes_left < 0:
                raise UnusableAnswer
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()


def open_http(*, answer_bytes_max: int = ANSWER_BYTES_MAX) -> httpx2.AsyncClient:
    """A client of its own for each provider, so that a slow one takes no other's sockets."""
    limits = httpx2.Limits(
        max_connections=CONNECTIONS_MAX, max_keepalive_connections=IDLE_CONNECTIONS_MAX
    )
    transport = httpx2.AsyncHTTPTransport(limits=limits)
    return httpx2.AsyncClient(
        transport=GuardedTransport(transport, answer_bytes_max=answer_bytes_max),
        timeout=httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        follow_redirects=False,
    )
