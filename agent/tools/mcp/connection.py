"""
A connection to one server, by the protocol's own SDK, over HTTP.

Why not the framework's support for it: that connects while the call starts and waits for it, gives
tools the names that the server chose, and hands answers of any length to the model.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from agent.tools.mcp.settings import McpServer

ANSWER_BYTES_MAX: Final = 256 * 1024  # of one HTTP answer; what the model gets is far shorter
CONNECTIONS_MAX: Final = 4


class AnswerTooLong(httpx2.TransportError):
    """The server sent more than we read."""


@asynccontextmanager
async def connected(server: McpServer) -> AsyncIterator[Client]:
    """Raises whatever went wrong, as the SDK and HTTP name it."""
    async with (
        httpx2.AsyncClient(
            transport=_BoundedTransport(),
            headers={**server.header_values, "Accept-Encoding": "identity"},
            timeout=server.timeout_s,
            trust_env=False,  # nor is a proxy's password sent along
        ) as http,
        Client(
            streamable_http_client(
                server.url, http_client=http, max_sse_event_size=ANSWER_BYTES_MAX
            ),
            read_timeout_seconds=server.timeout_s,
            cache=None,
        ) as client,
    ):
        yield client


class _BoundedTransport(httpx2.AsyncHTTPTransport):
    """Reads no answer without end, and none that grows when it is unpacked."""

    def __init__(self) -> None:
        super().__init__(
            limits=httpx2.Limits(max_connections=CONNECTIONS_MAX), trust_env=False, retries=0
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise AnswerTooLong("packed, though we asked for plain")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _BoundedStream(response.stream)
        return response


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in self._inner:
            read += len(chunk)
            if read > ANSWER_BYTES_MAX:
                raise AnswerTooLong(f"more than {ANSWER_BYTES_MAX} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
