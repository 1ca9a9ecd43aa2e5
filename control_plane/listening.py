"""
Says that this process is there to hear agents, every other second.

The reaper judges calls by the silence of their agents. After an outage of the control plane every
agent has been silent, and needs a moment to be heard again; what counts is silence that somebody
listened to.
"""

import asyncio

import asyncpg

from control_plane.store import listeners
from shared.db import Pool, transaction
from shared.ids import new_uuid
from shared.log import get_logger

log = get_logger(__name__)

EVERY_S = 2.0  # the SQL forgets who was not seen for 6 s


async def keep_listening(pool: Pool) -> None:
    """Until cancelled."""
    listener_id = new_uuid()
    while True:
        try:
            async with transaction(pool) as tx:
                await listeners.listen(tx, listener_id)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            log.warning("no_database", dependency="postgres")
        await asyncio.sleep(EVERY_S)
