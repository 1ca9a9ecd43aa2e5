"""SQL of Stripe's events: taken for a while, handled, tried again later, or given up."""

from dataclasses import dataclass
from datetime import datetime

from shared.db import Tx

# Whoever takes events has them until `due_at`; after a crash somebody else takes them then.
TAKE = """
update webhook_inbox set attempts = attempts + 1,
  due_at = clock_timestamp() + make_interval(secs => $2)
where (source, event_id) in (
  select source, event_id from webhook_inbox
  where source = 'stripe' and handled_at is null and dead_at is null
    and due_at <= clock_timestamp()
  order by due_at limit $1 for update skip locked)
returning event_id, kind, payload->>'object_type' as object_type,
  payload->>'object_id' as object_id, attempts,
  date_part('epoch', clock_timestamp() - received_at)::double precision as age_s
"""

HANDLED = """
update webhook_inbox set handled_at = clock_timestamp(), last_error = null
where source = 'stripe' and event_id = any($1)
"""

AGAIN = """
update webhook_inbox set last_error = $2, due_at = clock_timestamp() + make_interval(secs => $3)
where source = 'stripe' and event_id = any($1) and handled_at is null
"""

BURY = """
update webhook_inbox set last_error = $2, dead_at = clock_timestamp()
where source = 'stripe' and event_id = any($1) and handled_at is null
"""

DEAD = """
select event_id, kind, payload->>'object_type' as object_type,
  payload->>'object_id' as object_id, attempts, last_error, received_at, dead_at
from webhook_inbox where source = 'stripe' and dead_at is not null and handled_at is null
order by dead_at desc limit $1
"""

REVIVE = """
update webhook_inbox set dead_at = null, attempts = 0, due_at = clock_timestamp()
where source = 'stripe' and dead_at is not null and handled_at is null
  and ($1::text is null or event_id = $1)
returning event_id
"""


@dataclass(frozen=True, slots=True)
class TakenEvent:
    event_id: str
    kind: str
    object_type: str
    object_id: str
    attempts: int  # this one included
    age_s: float


@dataclass(frozen=True, slots=True)
class DeadEvent:
    event_id: str
    kind: str
    object_type: str
    object_id: str
    attempts: int
    last_error: str | None
    received_at: datetime
    dead_at: datetime


async def take(tx: Tx, *, limit: int, lease_s: float) -> list[TakenEvent]:
    """Events that are due; they are this worker's for `lease_s`."""
    return [TakenEvent(**row) for row in await tx.fetch(TAKE, limit, lease_s)]


async def handled(tx: Tx, event_ids: list[str]) -> None:
    await tx.execute(HANDLED, event_ids)


async def again(tx: Tx, event_ids: list[str], *, reason: str, in_s: float) -> None:
    await tx.execute(AGAIN, event_ids, reason, in_s)


async def bury(tx: Tx, event_ids: list[str], *, reason: str) -> None:
    await tx.execute(BURY, event_ids, reason)


async def dead(tx: Tx, *, limit: int) -> list[DeadEvent]:
    """Given up, the latest first."""
    return [DeadEvent(**row) for row in await tx.fetch(DEAD, limit)]


async def revive(tx: Tx, event_id: str | None) -> int:
    """Try it again from the start; None: all of them. Returns how many there were."""
    return len(await tx.fetch(REVIVE, event_id))
