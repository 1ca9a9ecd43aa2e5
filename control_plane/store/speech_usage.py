"""SQL of what generations were used: it survives the history and the audio, and holds no texts."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx

INSERT = """
insert into generation_usage(charge_id, user_id, source_type, source_id, voice_model, model, unit,
  quantity, cost, input_chars, duration_ms, api_key_id, request_id)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""

# With what is under way: so many requests at once cannot all be the last free one. The caller holds
# the account's lock.
COUNT_OF_MODEL = """
select (select count(*) from generation_usage
    where user_id = $1 and voice_model = $2 and source_type = 'tts')
  + (select count(*) from generation_charges
    where user_id = $1 and model = $2 and channel = 'web' and state = 'reserved')
"""

BUCKETS = """
select to_timestamp(floor(extract(epoch from occurred_at) / $5) * $5) as start_time,
  case when $6 = 'source_type' then source_type end as source_type,
  case when $6 = 'api_key_id' then api_key_id end as api_key_id,
  case when $6 = 'model' then model end as model,
  count(*)::int as requests, sum(input_chars)::bigint as input_chars,
  sum(output_chars)::bigint as output_chars, sum(duration_ms)::bigint as duration_ms,
  sum(cost)::bigint as cost
from generation_usage
where user_id = $1 and occurred_at >= $2 and occurred_at < $3
  and source_type = any($4::text[]) and ($7::uuid is null or api_key_id = $7)
group by 1, 2, 3, 4 order by 1, 2, 3, 4 limit $8
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUsage:
    """`cost` in micro-credits; `voice_model` is ours, `model` the provider's."""

    charge_id: UUID
    user_id: UUID
    source_type: str
    source_id: UUID
    voice_model: str
    model: str
    unit: str
    quantity: int
    cost: int
    input_chars: int
    duration_ms: int
    api_key_id: UUID | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Bucket:
    """Sums of one bucket and group; `cost` in micro-credits."""

    start_time: datetime
    source_type: str | None
    api_key_id: UUID | None
    model: str | None
    requests: int
    input_chars: int
    output_chars: int
    duration_ms: int
    cost: int


async def insert(tx: Tx, usage: NewUsage) -> None:
    await tx.execute(
        INSERT,
        usage.charge_id,
        usage.user_id,
        usage.source_type,
        usage.source_id,
        usage.voice_model,
        usage.model,
        usage.unit,
        usage.quantity,
        usage.cost,
        usage.input_chars,
        usage.duration_ms,
        usage.api_key_id,
        usage.request_id,
    )


async def count_of_model(tx: Tx, *, owner: UUID, voice_model: str) -> int:
    """Generations on the page with that model, ever and right now."""
    found: int = await tx.fetchval(COUNT_OF_MODEL, owner, voice_model)
    return found


async def buckets(
    tx: Tx,
    *,
    owner: UUID,
    since: datetime,
    before: datetime,
    sources: list[str],
    width_s: int,
    group_by: str | None,
    api_key_id: UUID | None,
    limit: int,
) -> list[Bucket]:
    """Non-empty buckets of `width_s`, oldest first."""
    rows = await tx.fetch(
        BUCKETS, owner, since, before, sources, width_s, group_by, api_key_id, limit
    )
    return [Bucket(**row) for row in rows]
