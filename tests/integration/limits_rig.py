"""A Redis that a test may kill, and cables to one that it may cut."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from redis.asyncio import Redis

from control_plane.limits.bucket import Bucket
from control_plane.limits.redis_line import open_limits_redis
from local.redis_server import find_redis_server, redis_answers
from shared.clock import SystemClock
from shared.ids import new_uuid
from tests.cable import Cable, cable_to

CLOCK = SystemClock()


def bucket(name: str = "test", *, capacity: int = 10, per_minute: int = 60) -> Bucket:
    """A bucket nobody has used."""
    return Bucket(name, str(new_uuid()), capacity, per_minute)


async def until(is_so: Callable[[], bool], *, timeout_s: float = 10.0) -> None:
    """Wait for a condition. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not is_so():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def limits_redis(url: str) -> AsyncIterator[Redis]:
    client = open_limits_redis(url)
    try:
        yield client
    finally:
        await client.aclose()


@asynccontextmanager
async def redis_by_cable(redis_url: str) -> AsyncIterator[tuple[Redis, Cable]]:
    """The session's Redis, behind a cable."""
    async with (
        cable_to(urlsplit(redis_url).path) as cable,
        limits_redis(f"redis://127.0.0.1:{cable.port}") as client,
    ):
        yield client, cable


class MortalRedis:
    """A server of the test's own; a new one on the same socket knows nothing of the old."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "redis.sock"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            find_redis_server(),
            *("--port", "0", "--unixsocket", str(self._socket), "--save", ""),
            stdout=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(20):
            while not await redis_answers(self.url):
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()


@asynccontextmanager
async def mortal_redis(folder: Path) -> AsyncIterator[MortalRedis]:
    server = MortalRedis(folder)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()
