"""Work and streams that end when the client has gone: nobody should pay for what nobody hears."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

T = TypeVar("T")


async def attended(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """
    The outcome of `work`; cancels it when the client goes, and raises ClientDisconnect then.

    The body of the request must have been read before.
    """
    doing = asyncio.create_task(work)
    watching = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({doing, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            doing.cancel()
            await asyncio.wait({doing})
            if doing.cancelled():
                raise ClientDisconnect
        return doing.result()
    finally:
        watching.cancel()
        if not doing.done():  # we are cancelled ourselves
            doing.cancel()
            await asyncio.wait({doing})


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class ClosingStream(StreamingResponse):
    """A stream whose source is closed at once when it ends, also because the client went away."""

    def __init__(self, source: AsyncGenerator[Any, None], **options: Any) -> None:
        super().__init__(source, **options)
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if isinstance(self.body_iterator, AsyncGenerator):  # perhaps wrapped meanwhile
                await self.body_iterator.aclose()
            await self._source.aclose()
