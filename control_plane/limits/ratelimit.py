"""
Rate limits over all processes, by token buckets in Redis.

All requests that come while a question is under way are asked about together in the next one: the
busier the process, the cheaper each (see `docs/decisions/0007-when-redis-is-gone.md` for the rest).
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from control_plane.limits.bucket import Allowance, Bucket, Level, verdict
from control_plane.limits.local_buckets import LocalBuckets
from control_plane.limits.redis_line import RedisGone, RedisLine, script_text
from shared import metrics
from shared.clock import Clock

BATCH_MAX: Final = 128  # requests in one question: the script holds the server for about 1 ms
WAITING_MAX: Final = 10_000  # more are decided here: that many would wait for seconds

_Outcome = tuple[bool, list[Level]]


@dataclass(frozen=True, slots=True)
class _Wish:
    """A request that waits; the future gets None when Redis does not answer."""

    buckets: Sequence[Bucket]
    outcome: "asyncio.Future[_Outcome | None]"


class RateLimiter:
    """
    Without Redis, or while it is gone, the same limits count for this process alone.

    `pepper` is the same secret in all processes; it goes into the hashes of subjects.
    """

    def __init__(self, redis: Redis | None, clock: Clock, *, pepper: bytes = b"") -> None:
        self._clock = clock
        self._pepper = pepper
        self._local = LocalBuckets(clock)
        self._line = RedisLine(redis, clock, user="buckets") if redis else None
        self._script = self._line.script(script_text("tokens")) if self._line else None
        self._waiting: list[_Wish] = []
        self._sender: asyncio.Task[None] | None = None

    async def take(self, *buckets: Bucket) -> Allowance:
        """
        One token from each bucket, or from none; what is left of the one nearest to its end.

        Raises TooManyRequests.
        """
        assert buckets, "a limit of something"
        outcome = await self._outcome_in_redis(buckets)
        decided_by = "redis" if outcome else "process"
        granted, levels = outcome or self._local.take(buckets)
        metrics.RATE_LIMITED.labels(buckets[0].name, str(granted), decided_by).inc()
        return verdict(buckets, levels, granted=granted, now=self._clock.now())

    def take_here(self, *buckets: Bucket) -> Allowance:
        """As `take`, counted by this process alone: for what costs less than to ask Redis."""
        granted, levels = self._local.take(buckets)
        metrics.RATE_LIMITED.labels(buckets[0].name, str(granted), "process").inc()
        return verdict(buckets, levels, granted=granted, now=self._clock.now())

    async def close(self) -> None:
        if self._sender:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
        if self._line:
            await self._line.close()

    async def _outcome_in_redis(self, buckets: Sequence[Bucket]) -> _Outcome | None:
        if self._line is None or not self._line.is_up or len(self._waiting) >= WAITING_MAX:
            return None
        wish = _Wish(buckets, asyncio.get_running_loop().create_future())
        self._waiting.append(wish)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send())
        return await wish.outcome

    async def _send(self) -> None:
        """Ask about who waits, batch by batch, until nobody does."""
        batch: list[_Wish] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
                await self._ask(batch)
        except RedisGone:
            pass
        finally:
            self._sender = None
            batch += self._waiting
            self._waiting = []
            for wish in batch:
                if not wish.outcome.done():
                    wish.outcome.set_result(None)

    async def _ask(self, batch: list[_Wish]) -> None:
        assert self._script is not None, "somebody is asked"
        keys = [bucket.key(self._pepper) for wish in batch for bucket in wish.buckets]
        args = [
            part
            for wish in batch
            for part in (
                len(wish.buckets),
                *(n for each in wish.buckets for n in (each.capacity, each.interval_us)),
            )
        ]
        answers = iter(await self._script(keys, args))
        for wish in batch:
            outcome = _read(answers, wish.buckets)
            if not wish.outcome.done():  # its request was cancelled; the token is gone
                wish.outcome.set_result(outcome)


def _read(answers: Iterator[int], buckets: Sequence[Bucket]) -> _Outcome:
    """The part of the script's answer that is about `buckets`."""
    granted = next(answers) == 1
    return granted, [Level.of(full_in_us=next(answers), bucket=bucket) for bucket in buckets]
