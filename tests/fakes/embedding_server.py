"""OpenAI's POST /v1/embeddings, with a little understanding and trouble on command."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

MODEL = "little-understanding"
CONCEPTS = ({"dog", "hound", "rex"}, {"sister", "sibling"}, {"tea", "drink"}, {"music", "cello"})


class EmbeddingServer:
    """
    `status` refuses; `gate` holds answers back while it is closed; `spoil` changes a sound answer.
    """

    def __init__(self) -> None:
        self.dimensions = 8
        self.status = 200
        self.gate = asyncio.Event()
        self.gate.set()
        self.spoil: Any = None
        self.asked: list[list[str]] = []
        self.url = ""

    def vector(self, text: str) -> list[float]:
        words = set(re.findall(r"\w+", text.lower()))
        told = [float(bool(words & concept)) for concept in CONCEPTS]
        return (told + [0.01] * self.dimensions)[: self.dimensions]

    async def embed(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        assert (wanted["model"], wanted["encoding_format"]) == (MODEL, "float")
        self.asked.append(wanted["input"])
        await self.gate.wait()
        if self.status != 200:
            error = {"message": "no", "type": "x", "code": None}
            return web.json_response({"error": error}, status=self.status)
        data = [
            {"object": "embedding", "index": n, "embedding": self.vector(text)}
            for n, text in enumerate(wanted["input"])
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        answer = {"object": "list", "model": MODEL, "data": data, "usage": usage}
        return web.json_response(self.spoil(answer) if self.spoil else answer)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["EmbeddingServer"]:
        app = web.Application()
        app.router.add_post("/v1/embeddings", self.embed)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
            yield self
        finally:
            self.gate.set()
            await runner.cleanup()
