"""Races made on purpose: wait until connections really wait for each other."""

import asyncio

from shared.db import Pool

DEADLINE_S = 10
WAITING = """
select count(*) from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock'
"""


async def until_waiting(pool: Pool, backends: int) -> None:
    """Until so many connections of this database wait for a lock."""
    async with asyncio.timeout(DEADLINE_S):
        while await pool.fetchval(WAITING) < backends:
            await asyncio.sleep(0.02)
