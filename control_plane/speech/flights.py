"""
Single-flight: of many who want the same audio at once, one has it made and the others look again.

In a process by futures, between processes by a lock in Redis that its holder renews. Redis only
saves work: without it two processes may make the same, and the database lets one of them win.
"""

import asyncio
import copy
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from redis.asyncio import Redis

from control_plane.limits.redis_line import RedisGone, RedisLine
from control_plane.tts.port import InputTooLong, ProhibitedContent, ProviderRefusal
from shared.clock import Clock
from shared.errors import AppError, Unavailable

LOCK_MS: Final = 10_000  # a killed holder is waited for at most this long
RENEW_PERIOD_S: Final = 3.0  # two renewals may be lost
POLL_S: Final = 0.05
FLIGHTS_MAX: Final = 10_000  # in one process; more than it can serve. Beyond, nobody is joined

# What concerns the text or the provider concerns all who wait; anything else only who led.
SHARED_FAILURES: Final = (ProviderRefusal, ProhibitedContent, InputTooLong, Unavailable)

# A lock that expired and was taken by somebody else is left alone.
_UNLOCK: Final = "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) end"
_RENEW: Final = (
    "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('pexpire',KEYS[1],ARGV[2]) end"
)


class Flights:
    def __init__(self, redis: Redis | None, clock: Clock) -> None:
        self._redis = redis
        self._line = RedisLine(redis, clock, user="flights") if redis else None
        self._landings: dict[bytes, asyncio.Future[AppError | None]] = {}

    async def close(self) -> None:
        if self._line is not None:
            await self._line.close()

    @asynccontextmanager
    async def lead(self, key: bytes) -> AsyncIterator[bool]:
        """
        True: nobody else makes it; look once more, then do. False: somebody has just ended.

        Raises what the one waited for raised, where that concerns everybody.
        """
        landing = self._landings.get(key)
        if landing is not None:
            await asyncio.wait({landing})
            failure = landing.result()
            if failure is not None:
                raise copy.copy(failure)
            yield False
            return
        if len(self._landings) >= FLIGHTS_MAX:
            yield True
            return
        landing = self._landings[key] = asyncio.get_running_loop().create_future()
        failure = None
        try:
            async with self._lead_of_all(key.hex()):
                yield True
        except SHARED_FAILURES as error:
            failure = error
            raise
        finally:
            del self._landings[key]
            landing.set_result(failure)

    @asynccontextmanager
    async def _lead_of_all(self, name: str) -> AsyncIterator[None]:
        """Alone among all processes, as far as Redis can tell."""
        if self._redis is None or self._line is None:
            yield
            return
        lock = _Lock(self._redis, self._line, f"speech:flight:{name}")
        if not await lock.acquire():
            yield
            return
        renewal = asyncio.create_task(lock.keep_renewing())
        try:
            yield
        finally:
            renewal.cancel()
            await lock.release()


class _Lock:
    """A lease with a token, so that one which expired is never taken from its new holder."""

    def __init__(self, redis: Redis, line: RedisLine, key: str) -> None:
        self._redis = redis
        self._line = line
        self._key = key
        self._token = secrets.token_hex(8)
        self._unlock = line.script(_UNLOCK)
        self._renew = line.script(_RENEW)

    async def acquire(self) -> bool:
        """Wait for it; False when Redis is gone."""
        try:
            while self._line.is_up:
                wish = self._redis.set(self._key, self._token, nx=True, px=LOCK_MS)
                if await self._line.ask(wish):
                    return True
                await asyncio.sleep(POLL_S)
        except RedisGone:
            pass
        return False

    async def keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(RENEW_PERIOD_S)
            with suppress(RedisGone):
                await self._renew([self._key], [self._token, LOCK_MS])

    async def release(self) -> None:
        with suppress(RedisGone):  # the lease ends by itself
            await self._unlock([self._key], [self._token])
