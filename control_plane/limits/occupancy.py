"""
How much work an account has in flight, over all processes.

A seat is a lease in Redis that its process renews while the work goes on, so the seats of a process
that crashed are free again within `LEASE_S`. Without Redis each process counts its own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from redis.asyncio import Redis

from control_plane.errors import Throttled
from control_plane.limits.bucket import hashed
from control_plane.limits.redis_line import RedisGone, RedisLine, script_text
from shared import metrics
from shared.clock import Clock
from shared.ids import new_uuid

LEASE_S: Final = 30.0  # how long a crash occupies seats
RENEWALS_A_LEASE: Final = 3  # two may be missed
RENEWED_MAX: Final = 500  # seats in one script: it holds the server for about 1 ms
RETRY_AFTER_S: Final = 2  # a generation takes some seconds; nobody knows which ends first


class TooBusy(Throttled):
    """Too many requests are being worked on, please wait until one of them has finished"""

    code = "too_many_in_flight"

    def __init__(self) -> None:
        super().__init__(retry_after_s=RETRY_AFTER_S)


class Occupancy:
    """`pepper` is the same secret in all processes; it goes into the hashes of subjects."""

    def __init__(
        self,
        redis: Redis | None,
        clock: Clock,
        *,
        pepper: bytes = b"",
        lease_s: float = LEASE_S,
    ) -> None:
        self._pepper = pepper
        self._lease_s = lease_s
        self._lease_ms = int(lease_s * 1_000)
        self._held: dict[str, set[str]] = {}  # the seats of this process, by key
        self._line = RedisLine(redis, clock, user="seats") if redis else None
        if self._line:
            self._take = self._line.script(script_text("seats"))
            self._renew = self._line.script(script_text("renewal"))
        self._redis = redis
        self._in_order = asyncio.Lock()  # a seat must not be renewed after it was given back
        self._renewing: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    def held(self, kind: str, subject: str) -> int:
        """Seats of a subject in this process."""
        return len(self._held.get(self._key(kind, subject), ()))

    @asynccontextmanager
    async def seat(self, kind: str, subject: str, *, limit: int) -> AsyncIterator[None]:
        """
        Held until the block ends, in whichever way. Raises TooBusy at once when none is free.

        `kind` is a word for metrics; each kind of work has seats of its own.
        """
        key, seat = self._key(kind, subject), new_uuid().hex
        if not await self._is_free(key, seat, limit):
            metrics.SEATS_REFUSED.labels(kind).inc()
            raise TooBusy
        self._sit(key, seat)
        try:
            yield
        finally:
            self._stand_up(key, seat)
            self._start_leaving(key, seat)

    async def close(self) -> None:
        """Give back what is on its way back, and stop renewing."""
        tasks = [task for task in (self._renewing, *self._leaving) if task]
        if self._renewing:
            self._renewing.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._line:
            await self._line.close()

    def _key(self, kind: str, subject: str) -> str:
        return f"seats:{kind}:{hashed(subject, self._pepper)}"

    async def _is_free(self, key: str, seat: str, limit: int) -> bool:
        if self._line and self._line.is_up:
            try:
                async with self._in_order:
                    return bool(await self._take([key], [seat, limit, self._lease_ms]))
            except RedisGone:
                pass
            except asyncio.CancelledError:  # the seat may be taken already
                self._start_leaving(key, seat)
                raise
        return len(self._held.get(key, ())) < limit

    def _sit(self, key: str, seat: str) -> None:
        self._held.setdefault(key, set()).add(seat)
        if self._line and self._renewing is None:
            self._renewing = asyncio.create_task(self._keep_renewing())

    def _stand_up(self, key: str, seat: str) -> None:
        seats = self._held.get(key, set())
        seats.discard(seat)
        if not seats:
            self._held.pop(key, None)

    def _start_leaving(self, key: str, seat: str) -> None:
        """Not awaited: whoever held it is answered, or cancelled, without waiting for Redis."""
        if self._line is None:
            return
        task = asyncio.create_task(self._leave(key, seat))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _leave(self, key: str, seat: str) -> None:
        async with self._in_order:
            if self._line and self._redis and self._line.is_up:
                with suppress(RedisGone):  # the lease ends by itself
                    await self._line.ask(self._redis.zrem(key, seat))

    async def _keep_renewing(self) -> None:
        try:
            while self._held:
                await asyncio.sleep(self._lease_s / RENEWALS_A_LEASE)
                with suppress(RedisGone):
                    await self._renew_all()
        finally:
            self._renewing = None

    async def _renew_all(self) -> None:
        """One batch at a time; what was given back meanwhile is not in the next one."""
        seen: set[str] = set()
        while True:
            async with self._in_order:
                held = [(key, seat) for key, seats in self._held.items() for seat in seats]
                batch = [pair for pair in held if pair[1] not in seen][:RENEWED_MAX]
                if not batch or self._line is None or not self._line.is_up:
                    return
                keys = [key for key, _ in batch]
                await self._renew(keys, [self._lease_ms, *(seat for _, seat in batch)])
            seen.update(seat for _, seat in batch)
