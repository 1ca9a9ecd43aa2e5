"""SQL of how often the state of an object of Stripe's was written here."""

from shared.db import Tx

SYNCS = """
insert into stripe_syncs(object_id) values ($1)
on conflict (object_id) do update set syncs = stripe_syncs.syncs
returning syncs
"""

BEGIN = """
update stripe_syncs set syncs = syncs + 1 where object_id = $1 and syncs = $2 returning syncs
"""


async def syncs_of(tx: Tx, object_id: str) -> int:
    """How often it was written; waits for who writes it now."""
    syncs: int = await tx.fetchval(SYNCS, object_id)
    return syncs


async def begin(tx: Tx, object_id: str, *, seen: int) -> bool:
    """
    Lock the object until the transaction ends; False when it was written since `seen`.

    Waits for who writes it now, so that two states are written one after the other.
    """
    return await tx.fetchval(BEGIN, object_id, seen) is not None
