"""A speech server that answers when it is told to: the local voice with a door before it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

WAIT_S = 30.0  # a test that forgets to open the door fails, it does not hang


@dataclass(slots=True)
class SlowVoice:
    """`url` with /v1. `asked` is set by the first request; none is answered before `may_answer`."""

    upstream: str
    url: str = ""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def speak(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.asked.set()
        await asyncio.wait_for(self.may_answer.wait(), WAIT_S)
        headers = {"Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.upstream}/audio/speech", data=body, headers=headers) as answer,
        ):
            data = await answer.read()
            return web.Response(body=data, status=answer.status, content_type=answer.content_type)


@asynccontextmanager
async def slow_voice(upstream: str) -> AsyncIterator[SlowVoice]:
    """In front of the voice server at `upstream`."""
    voice = SlowVoice(upstream)
    app = web.Application()
    app.router.add_post("/v1/audio/speech", voice.speak)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        voice.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield voice
    finally:
        await runner.cleanup()
