"""SQL of notices: what people are to be told, once for each occasion."""

from uuid import UUID

from shared.db import Tx

NOTIFY = """
insert into notices(user_id, kind, dedupe_key, payload) values ($1, $2, $3, $4)
on conflict (user_id, kind, dedupe_key) do nothing returning id
"""


async def notify(
    tx: Tx, owner: UUID, *, kind: str, dedupe_key: str, payload: dict[str, object]
) -> bool:
    """False when it was there already."""
    return await tx.fetchval(NOTIFY, owner, kind, dedupe_key, payload) is not None
