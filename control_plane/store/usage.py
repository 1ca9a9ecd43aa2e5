"""SQL of what an account has used: one row an ended call with billed seconds, and a generation."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx

COUNT = """
select (select count(*) from call_sessions
    where user_id = $1 and state = 'closed' and seconds > 0
      and ($2::text is null or $2 = 'live_call'))
  + (select count(*) from generation_usage
    where user_id = $1 and ($2::text is null or source_type = $2))
"""

# Each half is read from its index, as far as the page needs it.
LIST = """
(select s.id, 'live_call' as source_type, s.id as source_id, 'secs' as unit,
    s.seconds::bigint as quantity, s.cost, c.model, null::int as input_chars,
    s.seconds::bigint * 1000 as duration_ms, null::uuid as api_key_id, null::text as request_id,
    s.ended_at as occurred_at
  from call_sessions s join call_configs c on c.call_id = s.id
  where s.user_id = $1 and s.state = 'closed' and s.seconds > 0
    and ($2::text is null or $2 = 'live_call')
  order by s.ended_at desc, s.id desc limit $3::bigint + $4::bigint)
union all
(select charge_id, source_type, source_id, unit, quantity, cost, model, input_chars, duration_ms,
    api_key_id, request_id, occurred_at
  from generation_usage
  where user_id = $1 and ($2::text is null or source_type = $2)
  order by occurred_at desc, charge_id desc limit $3::bigint + $4::bigint)
order by occurred_at desc, id desc limit $3::bigint offset $4::bigint
"""

SUMS = """
select source_type, coalesce(sum(cost), 0)::bigint as cost, count(*)::int as operations,
  coalesce(sum(cost) filter (where this_month), 0)::bigint as month_cost,
  (count(*) filter (where this_month))::int as month_operations
from (
  select used.source_type, used.cost, used.at >= date_trunc('month',
    clock_timestamp() at time zone 'utc') at time zone 'utc' as this_month
  from (
    select 'live_call' as source_type, cost, ended_at as at
    from call_sessions where user_id = $1 and state = 'closed' and seconds > 0
    union all
    select source_type, cost, occurred_at from generation_usage where user_id = $1) used) dated
group by source_type order by source_type
"""


@dataclass(frozen=True, slots=True)
class Used:
    """`cost` in micro-credits; None where the source has no such number."""

    id: UUID
    source_type: str
    source_id: UUID
    unit: str
    quantity: int
    cost: int
    model: str
    input_chars: int | None
    duration_ms: int
    api_key_id: UUID | None
    request_id: str | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class SourceTotals:
    """Micro-credits and numbers of operations: ever, and in this month (UTC)."""

    source_type: str
    cost: int
    operations: int
    month_cost: int
    month_operations: int


async def count(tx: Tx, *, owner: UUID, source: str | None) -> int:
    found: int = await tx.fetchval(COUNT, owner, source)
    return found


async def list_used(
    tx: Tx, *, owner: UUID, source: str | None, limit: int, offset: int
) -> list[Used]:
    """Newest first."""
    return [Used(**row) for row in await tx.fetch(LIST, owner, source, limit, offset)]


async def sums(tx: Tx, owner: UUID) -> list[SourceTotals]:
    """One row a source that was used."""
    return [SourceTotals(**row) for row in await tx.fetch(SUMS, owner)]
