"""
A postman between the media server and our webhooks: late, twice, in any order, or never.

Webhooks are answered at once and delivered later, one to three times, so they overtake each other.
Some are refused first, so the sender repeats them itself. All are kept, to be brought once more.
"""

import asyncio
import random
from collections import Counter, deque
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

FORWARD_TIMEOUT_S = 5
KEPT_MAX = 5_000  # letters of one run; a call has about eight
LATE_S = (0.0, 8.0)
COPIES = (1, 1, 2, 3)
NEVER = 0.05  # share that is answered and thrown away
REFUSED = 0.1  # share that the sender has to repeat


@dataclass(frozen=True, slots=True)
class Letter:
    path: str
    body: bytes
    headers: dict[str, str]


@dataclass
class LatePost:
    """Listens on a port of its own after `start()`; counts what it did in `done`."""

    target: str
    seed: int
    done: Counter[str] = field(default_factory=Counter)
    port: int = 0

    async def start(self) -> None:
        self._random = random.Random(self.seed)
        self._letters: deque[Letter] = deque(maxlen=KEPT_MAX)
        self._rounds: set[asyncio.Task[None]] = set()
        self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=FORWARD_TIMEOUT_S))
        app = web.Application()
        app.router.add_post("/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()
        for carrying in tuple(self._rounds):
            carrying.cancel()
        await asyncio.gather(*self._rounds, return_exceptions=True)
        await self._client.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def bring_all_again(self) -> None:
        """Every letter of the run once more, in a new order."""
        letters = self._random.sample(list(self._letters), len(self._letters))
        for letter in letters:
            await self._deliver(letter)

    async def _take(self, request: web.Request) -> web.Response:
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() in {"authorization", "content-type"}
        }
        letter = Letter(request.path_qs, await request.read(), headers)
        self._letters.append(letter)
        dice = self._random.random()
        if dice < NEVER:
            self.done["lost"] += 1
            return web.Response()
        for _ in range(self._random.choice(COPIES)):
            carrying = asyncio.create_task(self._carry(letter))
            self._rounds.add(carrying)
            carrying.add_done_callback(self._rounds.discard)
        return web.Response(status=503 if dice < NEVER + REFUSED else 200)

    async def _carry(self, letter: Letter) -> None:
        await asyncio.sleep(self._random.uniform(*LATE_S))
        await self._deliver(letter)

    async def _deliver(self, letter: Letter) -> None:
        url = self.target + letter.path
        try:
            async with self._client.post(url, data=letter.body, headers=letter.headers) as answer:
                self.done["delivered" if answer.ok else f"refused {answer.status}"] += 1
        except (aiohttp.ClientError, TimeoutError, OSError):
            self.done["nobody there"] += 1  # killed at this moment
