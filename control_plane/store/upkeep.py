"""SQL of the chores that keep the database tidy and watched."""

from shared.db import Tx

ENSURE_PARTITIONS = "select ensure_usage_partitions()"


async def ensure_partitions(tx: Tx) -> None:
    """Usage partitions of this month and the next two."""
    await tx.execute(ENSURE_PARTITIONS)
