"""
Redis as something that may be gone: short patience, then no question for a while.

A dead Redis costs whoever asks at that moment `TURNS` * `TURN_S`, once. From then on nobody waits:
callers are told at once, and one probe at a time looks in the background whether it is back.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from shared import metrics
from shared.clock import Clock
from shared.log import get_logger

log = get_logger(__name__)

# Patience is counted in turns of our own event loop: a late loop is not a dead Redis. In an idle
# loop they are 100 ms, 500 times what an answer takes; in a stampede a turn takes longer.
TURNS: Final = 50  # a new connection takes some 30 passes of the loop, a turn at least 2
TURN_S: Final = 0.002
PAUSE_S: Final = 1.0  # between two probes
CONNECTIONS_MAX: Final = 8  # of one client; questions go in batches, so two are used
SOCKET_TIMEOUT_S: Final = 1.0  # ends what our patience gave up

Answer = TypeVar("Answer")


class RedisGone(Exception):
    """Redis did not answer, or not with an answer"""


def open_limits_redis(url: str) -> Redis:
    """A client that never tries again by itself, connected when first used."""
    return Redis.from_url(
        url,
        retry=Retry(NoBackoff(), 0),
        max_connections=CONNECTIONS_MAX,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=SOCKET_TIMEOUT_S,
    )


def script_text(name: str) -> str:
    """A Lua file of this package."""
    return Path(__file__).with_name(f"{name}.lua").read_text()


class RedisLine:
    """Runs scripts, while there is somebody to run them."""

    def __init__(self, redis: Redis, clock: Clock, *, user: str) -> None:
        self._redis = redis
        self._clock = clock
        self._user = user  # for the metric: who asks
        self._gone = False
        self._probe_at_s = 0.0
        self._probe: asyncio.Task[None] | None = None
        self._given_up: set[asyncio.Future[Any]] = set()
        metrics.LIMITS_REDIS_GONE.labels(user).set(0)

    @property
    def is_up(self) -> bool:
        """Whether it answered last time. While it did not, asking this looks after it."""
        if self._gone and self._clock.monotonic() >= self._probe_at_s and self._probe is None:
            self._probe = asyncio.create_task(self._look())
        return not self._gone

    def script(self, text: str) -> "Script":
        return Script(self, self._redis, text)

    async def ask(self, question: Awaitable[Answer]) -> Answer:
        """Raises RedisGone, and then `is_up` is false for everybody."""
        try:
            answer = await self._patiently(question)
        except (RedisError, OSError, TimeoutError) as error:
            self._hang_up(error)
            raise RedisGone from error
        self._gone = False
        return answer

    async def close(self) -> None:
        if self._probe:
            self._probe.cancel()
        rest = [*self._given_up, *([self._probe] if self._probe else [])]
        await asyncio.gather(*rest, return_exceptions=True)

    async def _patiently(self, question: Awaitable[Answer]) -> Answer:
        """
        Raises TimeoutError after `TURNS` turns of the loop of at least `TURN_S` each.

        The client swallows a cancellation while it connects, so it is not waited for.
        """
        asking = asyncio.ensure_future(question)
        try:
            for _ in range(TURNS):
                done, _ = await asyncio.wait((asking,), timeout=TURN_S)
                if done:
                    return asking.result()
            raise TimeoutError
        finally:
            if not asking.done():
                asking.cancel()
                self._given_up.add(asking)
                asking.add_done_callback(self._forget)

    def _forget(self, asking: "asyncio.Future[Any]") -> None:
        self._given_up.discard(asking)
        if not asking.cancelled():
            asking.exception()  # nobody is interested any more

    def _hang_up(self, error: Exception) -> None:
        self._probe_at_s = self._clock.monotonic() + PAUSE_S
        if not self._gone:
            log.warning("limits_without_redis", dependency="redis", kind=self._user, exc_info=error)
            metrics.LIMITS_REDIS_GONE.labels(self._user).set(1)
        self._gone = True

    async def _look(self) -> None:
        try:
            await self.ask(self._redis.ping())
            log.info("limits_with_redis", dependency="redis", kind=self._user)
            metrics.LIMITS_REDIS_GONE.labels(self._user).set(0)
        except RedisGone:
            pass
        finally:
            self._probe = None


class Script:
    """A Lua script by its digest; loaded again where the server does not know it."""

    def __init__(self, line: RedisLine, redis: Redis, text: str) -> None:
        self._line = line
        self._script = redis.register_script(text)

    async def __call__(self, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        """Raises RedisGone, at once when that is known."""
        if not self._line.is_up:
            raise RedisGone
        return await self._line.ask(self._script(keys=keys, args=args))
