"""SQL of the work after calls, and of how long what was said is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from control_plane.store import recordings
from shared.db import Tx

FREEZE = """
insert into after_calls(call_id, user_id, memory_mode, memory_character, memory_target)
values ($1, $2, $3, $4, $5)
"""

FROZEN = """
select user_id, memory_mode, memory_character, memory_target from after_calls where call_id = $1
"""

# $2 seconds after the end, so that the agent's last words have come.
TAKE = """
with due as (
  select a.call_id from after_calls a join call_sessions s on s.id = a.call_id
  where a.state = 'open' and a.not_before <= clock_timestamp()
    and (a.lease_until is null or a.lease_until < clock_timestamp())
    and s.ended_at < clock_timestamp() - make_interval(secs => $2)
    and ($4::uuid is null or a.call_id = $4)
  order by a.not_before limit 1 for no key update of a skip locked)
update after_calls a set lease = $1, attempts = attempts + 1,
  lease_until = clock_timestamp() + make_interval(secs => $3)
from due, call_sessions s, call_configs c, credits k left join call_preferences p using (user_id)
where a.call_id = due.call_id and s.id = a.call_id and c.call_id = a.call_id
  and k.user_id = a.user_id
returning a.call_id, a.user_id, a.memory_mode, a.memory_target, a.attempts, c.language, s.state,
  s.end_reason, s.seconds, s.started_at, s.ended_at, p.retention
"""

LOCK = """
select memory_mode from after_calls where call_id = $1 and lease = $2 for no key update
"""

TURNS = """
select t.role, t.text from call_transcripts t join after_calls a using (call_id)
where t.call_id = $1 and a.user_id = $2 order by t.index limit $3
"""

FORGETS = """
select f.words from memory_forgets f join after_calls a using (call_id)
where f.call_id = $1 and a.user_id = $2
"""

FINISH = """
update after_calls set state = $3, done_at = clock_timestamp(), lease = null, lease_until = null,
  title = $4, highlights = $5, texts_until = $6
where call_id = $1 and lease = $2
"""

CLEAR_FORGETS = "delete from memory_forgets where call_id = $1"

PUT_OFF = """
update after_calls set lease = null, lease_until = null,
  not_before = clock_timestamp() + make_interval(secs => $3)
where call_id = $1 and lease = $2
"""

PUT_ANALYSIS = """
insert into call_session_analysis(session_id, user_id, started_at, duration_seconds, end_reason,
  language, topic_category, topic_subcategory, engagement_level, conversation_quality, where_died,
  user_sentiment, key_requests, ai_issues, notable_patterns)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
on conflict (session_id) do nothing
"""

# A use of a tool that writes waits here for an erasure, or is seen by it.
STILL_REMEMBERS = """
select memory_mode = 'lasting' from after_calls where call_id = $1 for share
"""

STOP_REMEMBERING = """
update after_calls set memory_mode = 'call'
where user_id = $1 and state = 'open' and memory_mode = 'lasting'
  and ($2::text is null or memory_target = $2)
"""

STATE_OF = "select state from after_calls where call_id = $1"
HURRY = """
update after_calls set not_before = least(not_before, clock_timestamp())
where call_id = $1 and state = 'open'
"""

# The lock keeps the end of the work, and a new setting, from passing between it and the texts.
LOCK_TEXTS = """
select state <> 'open' or memory_mode <> 'lasting' from after_calls where call_id = $1 for share
"""
RETENTION_OF = """
select coalesce(p.retention, $2) from call_sessions s left join call_preferences p using (user_id)
where s.id = $1
"""

# Open ones too, though nothing is due of them yet: it waits for work that is just being finished.
RESCHEDULE = """
update after_calls a set texts_until = case when a.state = 'open' or $2::text = 'keep' then null
    when $2 = 'none' then clock_timestamp() else s.ended_at + make_interval(days => $3) end
from call_sessions s
where a.user_id = $1 and s.id = a.call_id
"""

DUE_TEXTS = """
select a.call_id, coalesce(p.retention, $2) as retention
from after_calls a left join call_preferences p using (user_id)
where a.texts_until < clock_timestamp() order by a.texts_until limit $1
for no key update of a skip locked
"""

DROP_TRANSCRIPTS = "delete from call_transcripts where call_id = any($1::uuid[])"
DROP_ANALYSES = "delete from call_session_analysis where session_id = any($1::uuid[])"
DROP_TITLES = """
update after_calls set title = null, highlights = '{}', texts_until = null
where call_id = any($1::uuid[])
"""
KEEP_TEXTS = "update after_calls set texts_until = null where call_id = any($1::uuid[])"

HEADLINES = """
select call_id, title, highlights from after_calls
where user_id = $1 and call_id = any($2::uuid[])
"""


@dataclass(frozen=True, slots=True)
class FrozenMemory:
    """How a call may remember; fixed when it was authorized."""

    user_id: UUID
    memory_mode: str
    memory_character: str
    memory_target: str


@dataclass(frozen=True, slots=True)
class EndedCall:
    """A call to do the work after. `seconds` as billed; `retention` None: never said."""

    call_id: UUID
    user_id: UUID
    memory_mode: str
    memory_target: str
    attempts: int
    language: str
    state: str
    end_reason: str | None
    seconds: int
    started_at: datetime | None
    ended_at: datetime
    retention: str | None


@dataclass(frozen=True, slots=True)
class SpokenTurn:
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class DueTexts:
    call_id: UUID
    retention: str


@dataclass(frozen=True, slots=True)
class Headline:
    """What a call was about, in its caller's list."""

    call_id: UUID
    title: str | None
    highlights: list[str]


@dataclass(frozen=True, slots=True)
class Analysis:
    """Upstream's fields; texts are short, None where the model had nothing to say."""

    topic_category: str | None = None
    topic_subcategory: str | None = None
    engagement_level: str | None = None
    conversation_quality: str | None = None
    where_died: str | None = None
    user_sentiment: str | None = None
    key_requests: tuple[str, ...] = ()
    ai_issues: str | None = None
    notable_patterns: str | None = None


async def freeze(tx: Tx, call_id: UUID, frozen: FrozenMemory) -> None:
    await tx.execute(
        FREEZE,
        call_id,
        frozen.user_id,
        frozen.memory_mode,
        frozen.memory_character,
        frozen.memory_target,
    )


async def frozen_of(tx: Tx, call_id: UUID) -> FrozenMemory | None:
    """None for a call from before there were memories."""
    row = await tx.fetchrow(FROZEN, call_id)
    return FrozenMemory(**row) if row else None


async def take(
    tx: Tx, *, lease: UUID, settle_s: float, lease_s: float, call_id: UUID | None = None
) -> EndedCall | None:
    """One call that is due, or this one if it is; nobody else gets it while the lease lasts."""
    row = await tx.fetchrow(TAKE, lease, settle_s, lease_s, call_id)
    return EndedCall(**row) if row else None


async def lock(tx: Tx, *, call_id: UUID, lease: UUID) -> str | None:
    """The memory mode as it is now, until the transaction ends; None: the lease is not ours."""
    mode: str | None = await tx.fetchval(LOCK, call_id, lease)
    return mode


async def turns_of(tx: Tx, *, call_id: UUID, owner: UUID, limit: int) -> list[SpokenTurn]:
    return [SpokenTurn(**row) for row in await tx.fetch(TURNS, call_id, owner, limit)]


async def forgets_of(tx: Tx, *, call_id: UUID, owner: UUID) -> list[str]:
    return [row["words"] for row in await tx.fetch(FORGETS, call_id, owner)]


async def finish(
    tx: Tx,
    *,
    call_id: UUID,
    lease: UUID,
    state: str,
    title: str | None,
    highlights: Sequence[str],
    texts_until: datetime | None,
) -> None:
    """The end of the work: done, skipped or failed."""
    await tx.execute(FINISH, call_id, lease, state, title, list(highlights), texts_until)
    await tx.execute(CLEAR_FORGETS, call_id)


async def put_off(tx: Tx, *, call_id: UUID, lease: UUID, wait_s: float) -> None:
    await tx.execute(PUT_OFF, call_id, lease, wait_s)


async def put_analysis(tx: Tx, call: EndedCall, analysis: Analysis) -> None:
    """A call is analysed once; another analysis of it changes nothing."""
    await tx.execute(
        PUT_ANALYSIS,
        call.call_id,
        call.user_id,
        call.started_at,
        call.seconds,
        call.end_reason,
        call.language,
        analysis.topic_category,
        analysis.topic_subcategory,
        analysis.engagement_level,
        analysis.conversation_quality,
        analysis.where_died,
        analysis.user_sentiment,
        list(analysis.key_requests),
        analysis.ai_issues,
        analysis.notable_patterns,
    )


async def still_remembers(tx: Tx, call_id: UUID) -> bool:
    """Whether a call may leave memories; it stays so until the transaction ends."""
    return bool(await tx.fetchval(STILL_REMEMBERS, call_id))


async def stop_remembering(tx: Tx, *, owner: UUID, character_id: str | None) -> None:
    """Calls still to be worked on, or those that write to one character, leave no memories."""
    await tx.execute(STOP_REMEMBERING, owner, character_id)


async def state_of(tx: Tx, call_id: UUID) -> str | None:
    state: str | None = await tx.fetchval(STATE_OF, call_id)
    return state


async def hurry(tx: Tx, call_id: UUID) -> None:
    """What was put off is due now."""
    await tx.execute(HURRY, call_id)


async def takes_texts(tx: Tx, call_id: UUID, *, default_retention: str) -> bool:
    """
    Whether what was said in a call may be written down, until the transaction ends.

    Not where texts are not to be kept, unless memories are still to be made of them.
    """
    if not await tx.fetchval(LOCK_TEXTS, call_id):
        return True
    retention: str | None = await tx.fetchval(RETENTION_OF, call_id, default_retention)
    return retention != "none"


async def reschedule(tx: Tx, *, owner: UUID, retention: str, days: int) -> None:
    """All calls of an account whose work is done follow its new setting."""
    await tx.execute(RESCHEDULE, owner, retention, days)


async def due_texts(tx: Tx, *, limit: int, default_retention: str) -> list[DueTexts]:
    return [DueTexts(**row) for row in await tx.fetch(DUE_TEXTS, limit, default_retention)]


async def drop_texts(tx: Tx, call_ids: Sequence[UUID]) -> None:
    """Transcript, analysis, title, highlights and recording; call, gaps and receipt stay."""
    for statement in (DROP_TRANSCRIPTS, DROP_ANALYSES, DROP_TITLES):
        await tx.execute(statement, list(call_ids))
    await recordings.drop(tx, call_ids)


async def keep_texts(tx: Tx, call_ids: Sequence[UUID]) -> None:
    await tx.execute(KEEP_TEXTS, list(call_ids))


async def headlines(tx: Tx, *, owner: UUID, call_ids: Sequence[UUID]) -> dict[UUID, Headline]:
    rows = await tx.fetch(HEADLINES, owner, list(call_ids))
    return {row["call_id"]: Headline(**row) for row in rows}
