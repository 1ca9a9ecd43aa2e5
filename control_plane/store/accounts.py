"""SQL of an account's standing."""

from uuid import UUID

from shared.db import Tx

# Before something of the account is counted or compared, and then written.
LOCK = "select 1 from profiles where id = $1 for no key update"

IS_FROZEN = "select frozen_at is not null from profiles where id = $1"


async def is_frozen(tx: Tx, user_id: UUID) -> bool:
    """Also true for an account that is gone."""
    frozen: bool | None = await tx.fetchval(IS_FROZEN, user_id)
    return frozen is not False


async def lock(tx: Tx, user_id: UUID) -> bool:
    """One after the other until the transaction ends. False: there is no such account."""
    return await tx.fetchval(LOCK, user_id) is not None
