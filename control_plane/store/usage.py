"""SQL of what an account has used, one row an ended call with billed seconds."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx

COUNT_ENDED = """
select count(*) from call_sessions where user_id = $1 and state = 'closed' and seconds > 0
"""

LIST_ENDED = """
select s.id, s.ended_at, s.seconds, s.cost, c.model
from call_sessions s join call_configs c on c.call_id = s.id
where s.user_id = $1 and s.state = 'closed' and s.seconds > 0
order by s.ended_at desc, s.id desc limit $2 offset $3
"""

SUM_ENDED = """
select coalesce(sum(cost), 0)::bigint as cost, count(*)::int as operations,
  coalesce(sum(cost) filter (where this_month), 0)::bigint as month_cost,
  (count(*) filter (where this_month))::int as month_operations
from (
  select cost, ended_at >= date_trunc('month', clock_timestamp() at time zone 'utc')
    at time zone 'utc' as this_month
  from call_sessions where user_id = $1 and state = 'closed' and seconds > 0) ended
"""


@dataclass(frozen=True, slots=True)
class EndedCall:
    """`cost` in micro-credits."""

    id: UUID
    ended_at: datetime
    seconds: int
    cost: int
    model: str


@dataclass(frozen=True, slots=True)
class CallTotals:
    """Micro-credits and numbers of calls: ever, and in this month (UTC)."""

    cost: int
    operations: int
    month_cost: int
    month_operations: int


async def count_ended(tx: Tx, owner: UUID) -> int:
    count: int = await tx.fetchval(COUNT_ENDED, owner)
    return count


async def list_ended(tx: Tx, *, owner: UUID, limit: int, offset: int) -> list[EndedCall]:
    return [EndedCall(**row) for row in await tx.fetch(LIST_ENDED, owner, limit, offset)]


async def sum_ended(tx: Tx, owner: UUID) -> CallTotals:
    row = await tx.fetchrow(SUM_ENDED, owner)
    assert row is not None, "an aggregate has one row"
    return CallTotals(**row)
