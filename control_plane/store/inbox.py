"""SQL of the inbox of webhooks: stored first, understood later."""

from typing import Any

from shared.db import Tx

PUT = """
insert into webhook_inbox(source, event_id, kind, payload) values ($1, $2, $3, $4)
on conflict (source, event_id) do nothing returning event_id
"""


async def put(tx: Tx, *, source: str, event_id: str, kind: str, payload: dict[str, Any]) -> bool:
    """False for a repeated delivery."""
    return await tx.fetchval(PUT, source, event_id, kind, payload) is not None
