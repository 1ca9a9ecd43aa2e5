"""SQL of the inbox of webhooks: stored first, understood later."""

from dataclasses import dataclass
from typing import Any

from shared.db import Tx

PUT = """
insert into webhook_inbox(source, event_id, kind, payload) values ($1, $2, $3, $4)
on conflict (source, event_id) do nothing returning event_id
"""

TAKE = """
update webhook_inbox set handled_at = clock_timestamp(), attempts = attempts + 1
where (source, event_id) in (
  select source, event_id from webhook_inbox where source = $1 and handled_at is null
  order by received_at limit $2 for update skip locked)
returning event_id, kind, payload
"""

PURGE = """
delete from webhook_inbox
where source = $1 and handled_at < clock_timestamp() - make_interval(days => $2)
"""


@dataclass(frozen=True, slots=True)
class Event:
    event_id: str
    kind: str
    payload: dict[str, Any]


async def put(tx: Tx, *, source: str, event_id: str, kind: str, payload: dict[str, Any]) -> bool:
    """False for a repeated delivery."""
    return await tx.fetchval(PUT, source, event_id, kind, payload) is not None


async def take(tx: Tx, *, source: str, limit: int) -> list[Event]:
    """Events nobody handled yet, marked handled when the transaction commits."""
    return [Event(**row) for row in await tx.fetch(TAKE, source, limit)]


async def purge(tx: Tx, *, source: str, older_than_days: int) -> None:
    await tx.execute(PURGE, source, older_than_days)
