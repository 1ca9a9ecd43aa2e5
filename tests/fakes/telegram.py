"""A server that speaks the part of Telegram's bot API that we use, and fails on command."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
CHAT = "-1001234567890"
STALL = "stall"


@dataclass(slots=True)
class TelegramServer:
    url: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    faults: deque[tuple[int, str] | str] = field(default_factory=deque)

    async def send_message(self, request: web.Request) -> web.Response:
        if self.faults:
            fault = self.faults.popleft()
            if isinstance(fault, str):
                await asyncio.Event().wait()
            else:
                return web.Response(status=fault[0], text=fault[1])
        if request.match_info["token"] != TOKEN:
            return _answer(401, ok=False, error_code=401, description="Unauthorized")
        body = json.loads(await request.read())
        if body.get("chat_id") != CHAT:
            return _answer(400, ok=False, error_code=400, description="Bad Request: chat not found")
        if not 0 < len(body["text"]) <= 4096:
            return _answer(400, ok=False, error_code=400, description="message is too long")
        self.messages.append(body)
        return _answer(
            200, ok=True, result={"message_id": len(self.messages), "text": body["text"]}
        )


def _answer(status: int, **body: Any) -> web.Response:
    return web.json_response(body, status=status)


@asynccontextmanager
async def telegram_server() -> AsyncIterator[TelegramServer]:
    """Running on a free port of 127.0.0.1."""
    server = TelegramServer()
    app = web.Application()
    app.router.add_post("/bot{token}/sendMessage", server.send_message)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # of a real server
    server.url = f"http://127.0.0.1:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()
