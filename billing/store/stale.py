"""SQL of calls nobody has reported on, and of the leader's lock."""

from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx

STALE = """
select s.id, s.state, s.seconds, s.granted, s.redispatches, s.answered_at is not null as answered,
  c.room_name,
  extract(epoch from clock_timestamp() - s.authorized_at)::float8 as age_s,
  least(extract(epoch from clock_timestamp() - s.last_seen_at)::float8, heard.s) as silent_s
from call_sessions s join call_configs c on c.call_id = s.id
  cross join (select listened_s_v1() as s) heard
where s.state in ('authorized', 'active')
  and s.last_seen_at < clock_timestamp() - make_interval(secs => $1)
order by s.last_seen_at limit $2
"""

STALE_IN_ROOM = """
select s.id, s.state, s.seconds, s.granted, s.redispatches, s.answered_at is not null as answered,
  c.room_name,
  extract(epoch from clock_timestamp() - s.authorized_at)::float8 as age_s,
  least(extract(epoch from clock_timestamp() - s.last_seen_at)::float8, heard.s) as silent_s
from call_sessions s join call_configs c on c.call_id = s.id
  cross join (select listened_s_v1() as s) heard
where s.state in ('authorized', 'active') and c.room_name = $1
"""

COUNT_REDISPATCH = """
update call_sessions set redispatches = redispatches + 1
where id = $1 and state = 'authorized' and answered_at is null and redispatches = 0
returning id
"""

OPEN_CALL_IDS = "select id from call_sessions where state in ('authorized', 'active')"

EVIDENCE = "update call_configs set evidence = $2 where call_id = $1"

TRY_LEAD = "select pg_try_advisory_lock($1)"


@dataclass(frozen=True, slots=True)
class StaleCall:
    """
    Seconds are ages by the database's clock, the only one that expires anything.

    `silent_s`: since the last report, as far as anybody was there to hear one.
    """

    id: UUID
    state: str
    seconds: int
    granted: int
    redispatches: int
    answered: bool
    room_name: str
    age_s: float
    silent_s: float


async def stale_calls(tx: Tx, *, silent_s: float, limit: int) -> list[StaleCall]:
    """Open calls without a sign of life for `silent_s`, the most silent first."""
    return [StaleCall(**row) for row in await tx.fetch(STALE, silent_s, limit)]


async def open_call_in(tx: Tx, room_name: str) -> StaleCall | None:
    """The open call of a room, however fresh; None when it is closed or there was none."""
    row = await tx.fetchrow(STALE_IN_ROOM, room_name)
    return StaleCall(**row) if row else None


async def count_redispatch(tx: Tx, call_id: UUID) -> bool:
    """True once: the first to ask may dispatch again."""
    return await tx.fetchval(COUNT_REDISPATCH, call_id) is not None


async def open_call_ids(tx: Tx) -> set[UUID]:
    return {row["id"] for row in await tx.fetch(OPEN_CALL_IDS)}


async def keep_evidence(tx: Tx, call_id: UUID, evidence: dict[str, object]) -> None:
    await tx.execute(EVIDENCE, call_id, evidence)


async def still_connected(connection: Tx) -> None:
    """Raises when the connection, and with it the leader's lock, is gone."""
    await connection.execute("select 1")


async def try_lead(connection: Tx, lock_id: int) -> bool:
    """Take the session lock of the leader; it falls with the connection."""
    leading: bool = await connection.fetchval(TRY_LEAD, lock_id)
    return leading
