"""
An HTTP proxy that does to requests what networks do: lose, repeat, delay, lose the answer.

Between the charger and the control plane. Delays let later requests overtake earlier ones, so
reports are also reordered.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

FORWARD_TIMEOUT_S = 10
BODY_MAX = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FaultRates:
    """Shares of requests, each drawn alone. Delays are uniform up to `delay_max_s`."""

    lost: float = 0.03
    answer_lost: float = 0.03
    repeated: float = 0.03
    delayed: float = 0.05
    delay_max_s: float = 0.3


NO_FAULTS = FaultRates(lost=0, answer_lost=0, repeated=0, delayed=0)


@dataclass
class FaultProxy:
    """Listens on `port` after `start()`; counts what it did in `done`."""

    target: str
    seed: int
    rates: FaultRates = FaultRates()
    done: Counter[str] = field(default_factory=Counter)
    port: int = 0

    async def start(self) -> None:
        self._random = random.Random(self.seed)
        self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=FORWARD_TIMEOUT_S))
        app = web.Application(client_max_size=BODY_MAX)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()
        await self._client.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await request.read()
        except ConnectionResetError:  # whoever asked is dead
            return web.Response(status=499)
        if self._draw("delayed", self.rates.delayed):
            await asyncio.sleep(self._random.uniform(0, self.rates.delay_max_s))
        if self._draw("lost", self.rates.lost):
            return _hang_up(request)
        if self._draw("repeated", self.rates.repeated):
            await self._forward(request, body)
        answer = await self._forward(request, body)
        if answer is None or self._draw("answer_lost", self.rates.answer_lost):
            return _hang_up(request)
        return answer

    def _draw(self, name: str, share: float) -> bool:
        hit = self._random.random() < share
        self.done[name] += hit
        return hit

    async def _forward(self, request: web.Request, body: bytes) -> web.Response | None:
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() in {"authorization", "content-type"}
        }
        url = self.target + request.path_qs
        try:
            async with self._client.request(
                request.method, url, data=body, headers=headers
            ) as answer:
                content = await answer.read()
                return web.Response(
                    status=answer.status, body=content, content_type=answer.content_type
                )
        except (aiohttp.ClientError, TimeoutError, OSError):
            self.done["unreachable"] += 1
            return None


def _hang_up(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    if request.transport:
        request.transport.close()
    return web.Response(status=502)
