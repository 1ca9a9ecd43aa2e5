"""Work that repeats, run by one leader among any number of jobs processes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg

from billing.store.stale import still_connected, try_lead
from shared.clock import Clock
from shared.log import get_logger

log = get_logger(__name__)

LEADER_LOCK_ID = 7_310_002  # any constant; all jobs processes must agree on it
ELECTION_PERIOD_S = 2.0
FAILURE_PAUSE_S = 1.0  # after an error, on top of the period


@dataclass(frozen=True, slots=True)
class Chore:
    """One thing to do every `period_s`; an error is logged and the next round comes."""

    name: str
    period_s: float
    work: Callable[[], Awaitable[object]]


async def run_as_leader(dsn: str, chores: list[Chore], clock: Clock) -> None:
    """Run the chores while this process holds the leader's lock; never returns."""
    while True:
        try:
            connection = await asyncpg.connect(dsn, timeout=5)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            log.warning("no_database", dependency="postgres")
            await asyncio.sleep(ELECTION_PERIOD_S)
            continue
        try:
            await _lead_while_connected(connection, chores, clock)
        except* (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            log.warning("leadership_lost")
        finally:
            connection.terminate()
        await asyncio.sleep(ELECTION_PERIOD_S)


async def _lead_while_connected(
    connection: "asyncpg.Connection[asyncpg.Record]", chores: list[Chore], clock: Clock
) -> None:
    await _win_election(connection)
    log.info("leading")
    async with asyncio.TaskGroup() as tasks:
        for chore in chores:
            tasks.create_task(_repeat(chore, clock))
        tasks.create_task(_watch_connection(connection))


async def _win_election(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    while not await try_lead(connection, LEADER_LOCK_ID):  # noqa: ASYNC110 - nobody can notify us
        await asyncio.sleep(ELECTION_PERIOD_S)


async def _watch_connection(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Raise when the lock is gone, which ends the chores: another process leads now."""
    while True:
        await still_connected(connection)
        await asyncio.sleep(ELECTION_PERIOD_S)


async def _repeat(chore: Chore, clock: Clock) -> None:
    while True:
        began = clock.monotonic()
        try:
            await chore.work()
        except Exception:
            log.exception("chore_failed", kind=chore.name)
            await asyncio.sleep(FAILURE_PAUSE_S)
        await asyncio.sleep(max(0.0, chore.period_s - (clock.monotonic() - began)))
