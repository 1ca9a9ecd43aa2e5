"""SQL of consents to be recorded, and of recordings; one that goes becomes a loose object."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx

# What was written before stays; a later report only adds the answer.
REPORT = """
insert into recording_consents(call_id, epoch, language, statement, answer, answered_at)
values ($1, $2, $3, $4, $5, case when $5::text is not null then clock_timestamp() end)
on conflict (call_id, epoch) do update
  set answer = excluded.answer, answered_at = excluded.answered_at
  where recording_consents.answer is null and excluded.answer is not null
"""

STANDING = """
select s.user_id, s.ended_at, coalesce(p.retention, $2) as retention,
  exists(select from recording_consents c where c.call_id = s.id and c.answer = 'yes'
    and c.withdrawn_at is null) as is_given
from call_sessions s left join call_preferences p using (user_id)
where s.id = $1
"""

# The lock keeps a new setting, and the end of the texts, from passing unseen.
HOLD_TEXTS = "select true from after_calls where call_id = $1 for share"

# The lock keeps a withdrawal from passing between this look and the row of the recording.
LOCK_YES = """
select true from recording_consents
where call_id = $1 and epoch = $2 and answer = 'yes' and withdrawn_at is null for no key update
"""

WITHDRAW = """
update recording_consents c set withdrawn_at = clock_timestamp()
from call_sessions s
where c.call_id = $1 and s.id = c.call_id and c.answer = 'yes' and c.withdrawn_at is null
  and ($2::uuid is null or s.user_id = $2)
"""

HAS_SAID_YES = """
select exists(select from recording_consents c join call_sessions s on s.id = c.call_id
  where c.call_id = $1 and s.user_id = $2 and c.answer = 'yes')
"""

INSERT = """
insert into call_recordings(call_id, epoch, user_id, object_key, size_bytes, duration_ms)
select $1, $2, s.user_id, $3, $4, $5 from call_sessions s where s.id = $1
on conflict (call_id, epoch) do nothing returning true
"""

# Longest first: an agent that was lost early leaves a short one beside it.
FIND = """
select r.object_key, r.size_bytes, r.duration_ms, r.created_at, a.texts_until, c.language,
  c.statement, c.asked_at, c.answered_at
from call_recordings r join recording_consents c using (call_id, epoch)
left join after_calls a using (call_id)
where r.call_id = $1 and r.user_id = $2 order by r.duration_ms desc limit 1
"""

DROP = """
with gone as (
  delete from call_recordings
  where call_id = any($1::uuid[]) and ($2::uuid is null or user_id = $2) returning object_key)
insert into loose_objects(object_key, sweep_after)
select object_key, clock_timestamp() from gone
returning object_key
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """Of a call: how long its words are kept, and whether somebody has said yes and means it."""

    user_id: UUID
    ended_at: datetime | None
    retention: str
    is_given: bool


@dataclass(frozen=True, slots=True)
class Recording:
    """With the consent behind it. `texts_until`: when it goes; None: kept, or not yet decided."""

    object_key: str
    size_bytes: int
    duration_ms: int
    created_at: datetime
    texts_until: datetime | None
    language: str
    statement: str
    asked_at: datetime
    answered_at: datetime


async def report_consent(
    tx: Tx, call_id: UUID, *, epoch: int, language: str, statement: str, answer: str | None
) -> None:
    """Repeatable; the first answer counts."""
    await tx.execute(REPORT, call_id, epoch, language, statement, answer)


async def standing_of(tx: Tx, call_id: UUID, *, default_retention: str) -> Standing | None:
    """None where there is no such call."""
    row = await tx.fetchrow(STANDING, call_id, default_retention)
    return Standing(**row) if row else None


async def hold_texts(tx: Tx, call_id: UUID) -> None:
    """Until the transaction ends, nobody decides anew how long this call's words are kept."""
    await tx.execute(HOLD_TEXTS, call_id)


async def lock_yes(tx: Tx, call_id: UUID, *, epoch: int) -> bool:
    """Whether the caller of this agent has said yes; it stays so until the transaction ends."""
    return await tx.fetchval(LOCK_YES, call_id, epoch) is not None


async def withdraw(tx: Tx, call_id: UUID, *, owner: UUID | None) -> None:
    """Take back every yes of a call, for good. `owner` None: whoever asks is fenced already."""
    await tx.execute(WITHDRAW, call_id, owner)


async def has_said_yes(tx: Tx, call_id: UUID, *, owner: UUID) -> bool:
    """Withdrawn or not."""
    found: bool = await tx.fetchval(HAS_SAID_YES, call_id, owner)
    return found


async def insert(
    tx: Tx, call_id: UUID, *, epoch: int, object_key: str, size_bytes: int, duration_ms: int
) -> bool:
    """False when this agent's recording is there already."""
    row = await tx.fetchval(INSERT, call_id, epoch, object_key, size_bytes, duration_ms)
    return row is not None


async def find(tx: Tx, call_id: UUID, *, owner: UUID) -> Recording | None:
    row = await tx.fetchrow(FIND, call_id, owner)
    return Recording(**row) if row else None


async def drop(tx: Tx, call_ids: Sequence[UUID], *, owner: UUID | None = None) -> list[str]:
    """Keys of the objects to delete; the jobs do it if nobody else does. `owner` as above."""
    return [row["object_key"] for row in await tx.fetch(DROP, list(call_ids), owner)]
