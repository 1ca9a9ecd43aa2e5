"""A server of OpenAI's POST /v1/moderations that flags what a test says, and fails on command."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

KEY = "moderation-key-of-the-tests"
CATEGORIES = ("harassment", "self-harm", "self-harm/intent", "sexual", "violence")


@dataclass(slots=True)
class FakeModerator:
    """`flags`: category by words. `fault`: hang, 500, redirect, garbage, shapeless, endless."""

    flags: dict[str, str] = field(default_factory=dict)
    fault: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    @property
    def inputs(self) -> list[str]:
        return [body["input"] for body in self.asked]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append({**body, "authorization": request.headers.get("Authorization")})
        match self.fault:
            case "hang":
                await asyncio.Event().wait()
            case "500":
                return web.json_response({"error": {"message": body["input"]}}, status=500)
            case "redirect":
                raise web.HTTPTemporaryRedirect("/elsewhere")
            case "garbage":
                return web.Response(body=b"\xff<html>")
            case "shapeless":
                return web.json_response({"results": [{"categories": ["self-harm"]}]})
            case "endless":
                return await _endless(request)
        category = self.flags.get(body["input"].strip().lower(), "")
        flagged = {name: name == category for name in CATEGORIES}
        result = {"flagged": bool(category), "categories": flagged, "category_scores": {}}
        return web.json_response({"id": "modr-1", "model": body["model"], "results": [result]})


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * 65_536)
        await asyncio.sleep(0.001)  # the client shares the loop


@asynccontextmanager
async def moderator() -> AsyncIterator[FakeModerator]:
    """Listening; `url` is with /v1."""
    fake = FakeModerator()
    app = web.Application()
    app.router.add_post("/v1/moderations", fake.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield fake
    finally:
        await runner.cleanup()
