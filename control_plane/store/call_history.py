"""SQL of an account's past and present calls, and of their transcripts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.call_protocol import Gap, TranscriptItem
from shared.db import Tx

COUNT_CALLS = "select count(*) from call_sessions where user_id = $1"

LIST_CALLS = """
select s.id, s.state, s.end_reason, s.authorized_at, s.started_at, s.ended_at, s.seconds, s.cost,
  s.price_microcredits_per_minute as price, c.model, c.voice, c.language, c.free_call
from call_sessions s join call_configs c on c.call_id = s.id
where s.user_id = $1 order by s.authorized_at desc, s.id desc limit $2 offset $3
"""

FIND_CALL = """
select s.id, s.state, s.end_reason, s.authorized_at, s.started_at, s.ended_at, s.seconds, s.cost,
  s.price_microcredits_per_minute as price, c.model, c.voice, c.language, c.free_call
from call_sessions s join call_configs c on c.call_id = s.id
where s.id = $1 and s.user_id = $2
"""

TRANSCRIPT = """
select t.role, t.text, t.at_s, t.interrupted
from call_transcripts t join call_sessions s on s.id = t.call_id
where t.call_id = $1 and s.user_id = $2 order by t.index
"""

GAPS = """
select g.at_s, g.lasted_s, g.cause
from call_gaps g join call_sessions s on s.id = g.call_id
where g.call_id = $1 and s.user_id = $2 order by g.index
"""

EPOCH = "select epoch from call_sessions where id = $1"

INSERT_TRANSCRIPT = """
insert into call_transcripts(call_id, index, role, text, at_s, interrupted)
select $1, i.index, i.role, i.text, i.at_s, i.interrupted
from unnest($2::int[], $3::text[], $4::text[], $5::float8[], $6::bool[])
  i(index, role, text, at_s, interrupted)
on conflict (call_id, index) do nothing
"""

# A gap that is still open is reported again and again, each time longer.
PUT_GAPS = """
insert into call_gaps(call_id, index, at_s, lasted_s, cause)
select distinct on (i.index) $1, i.index, i.at_s, i.lasted_s, i.cause
from unnest($2::int[], $3::int[], $4::float8[], $5::text[]) i(index, at_s, lasted_s, cause)
order by i.index, i.lasted_s desc
on conflict (call_id, index) do update
  set lasted_s = greatest(call_gaps.lasted_s, excluded.lasted_s)
"""


@dataclass(frozen=True, slots=True)
class PastCall:
    """`cost` and `price` (a minute) in micro-credits, `seconds` as billed."""

    id: UUID
    state: str
    end_reason: str | None
    authorized_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    seconds: int
    cost: int
    price: int
    model: str
    voice: str
    language: str
    free_call: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """One spoken turn, `at_s` seconds after the agent joined."""

    role: str
    text: str
    at_s: float
    interrupted: bool


@dataclass(frozen=True, slots=True)
class PastGap:
    """The clock stood at billed second `at_s` for `lasted_s` of wall time."""

    at_s: int
    lasted_s: float
    cause: str


async def count_calls(tx: Tx, owner: UUID) -> int:
    count: int = await tx.fetchval(COUNT_CALLS, owner)
    return count


async def list_calls(tx: Tx, *, owner: UUID, limit: int, offset: int) -> list[PastCall]:
    return [PastCall(**row) for row in await tx.fetch(LIST_CALLS, owner, limit, offset)]


async def find_call(tx: Tx, *, call_id: UUID, owner: UUID) -> PastCall | None:
    row = await tx.fetchrow(FIND_CALL, call_id, owner)
    return PastCall(**row) if row else None


async def transcript_of(tx: Tx, *, call_id: UUID, owner: UUID) -> list[Turn]:
    return [Turn(**row) for row in await tx.fetch(TRANSCRIPT, call_id, owner)]


async def gaps_of(tx: Tx, *, call_id: UUID, owner: UUID) -> list[PastGap]:
    return [PastGap(**row) for row in await tx.fetch(GAPS, call_id, owner)]


async def epoch_of(tx: Tx, call_id: UUID) -> int | None:
    epoch: int | None = await tx.fetchval(EPOCH, call_id)
    return epoch


async def insert_transcript(tx: Tx, call_id: UUID, items: Sequence[TranscriptItem]) -> None:
    """A turn that is there already stays as it is."""
    await tx.execute(
        INSERT_TRANSCRIPT,
        call_id,
        [item.index for item in items],
        [item.role for item in items],
        [item.text.replace("\x00", "") for item in items],  # Postgres stores none
        [item.at_s for item in items],
        [item.interrupted for item in items],
    )


async def put_gaps(tx: Tx, call_id: UUID, gaps: Sequence[Gap]) -> None:
    """A gap that is there already can only become longer."""
    await tx.execute(
        PUT_GAPS,
        call_id,
        [gap.index for gap in gaps],
        [gap.at_s for gap in gaps],
        [gap.lasted_s for gap in gaps],
        [gap.cause for gap in gaps],
    )
