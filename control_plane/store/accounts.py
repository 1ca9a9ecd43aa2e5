"""SQL of an account's standing."""

from uuid import UUID

from shared.db import Tx

IS_FROZEN = "select frozen_at is not null from profiles where id = $1"


async def is_frozen(tx: Tx, user_id: UUID) -> bool:
    """Also true for an account that is gone."""
    frozen: bool | None = await tx.fetchval(IS_FROZEN, user_id)
    return frozen is not False
