"""Work that any number of processes do: in each some lanes, which take one piece after another."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg

from shared.log import get_logger

log = get_logger(__name__)

POLL_S: Final = 1.0  # what is queued waits at most this long for an idle lane
TROUBLE_PAUSE_S: Final = 2.0  # after an error of ours or of the database

# The database is away; nothing is known about the work.
DATABASE_ERRORS: Final = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


async def run_lanes(count: int, work_once: Callable[[], Awaitable[object]], *, kind: str) -> None:
    """Until cancelled. `work_once` is falsy where there was nothing to do."""
    async with asyncio.TaskGroup() as lanes:
        for _ in range(count):
            lanes.create_task(_keep_working(work_once, kind))


async def _keep_working(work_once: Callable[[], Awaitable[object]], kind: str) -> None:
    while True:
        pause_s = POLL_S
        try:
            if await work_once():
                continue
        except DATABASE_ERRORS:
            log.warning("work_waits", kind=kind, dependency="postgres")
            pause_s = TROUBLE_PAUSE_S
        await asyncio.sleep(pause_s)
