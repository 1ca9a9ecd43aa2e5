"""SQL of the review queue: what people reported, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx

# What is reported must be the reporter's own call; somebody else's is as unknown as none.
CALL_IS_OWN = "select exists(select from call_sessions where id = $1 and user_id = $2)"

CHARACTER_OF_CALL = "select character_id from call_configs where call_id = $1"

COUNT_RECENT = """
select count(*) from reports
where user_id = $1 and created_at > clock_timestamp() - make_interval(secs => $2)
"""

INSERT = """
insert into reports(id, user_id, call_id, character_id, category, words)
values ($1, $2, $3, $4, $5, $6)
"""

OPEN = """
select id, user_id, call_id, character_id, category, words, created_at, resolved_at, resolved_by,
  resolution
from reports where resolved_at is null order by created_at, id limit $1
"""

RESOLVED = """
select id, user_id, call_id, character_id, category, words, created_at, resolved_at, resolved_by,
  resolution
from reports where resolved_at is not null order by resolved_at desc, id limit $1
"""

RESOLVE = """
update reports set resolved_at = clock_timestamp(), resolved_by = $2, resolution = $3
where id = any($1::uuid[]) and resolved_at is null returning id, user_id
"""

REOPEN = """
update reports set resolved_at = null, resolved_by = null, resolution = null
where id = any($1::uuid[]) and resolved_at is not null returning id, user_id
"""


@dataclass(frozen=True, slots=True)
class Report:
    """`words` are the reporter's; `user_id` is who reported."""

    id: UUID
    user_id: UUID
    call_id: UUID | None
    character_id: UUID | None
    category: str
    words: str | None
    created_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None


async def call_is_own(tx: Tx, call_id: UUID, *, owner: UUID) -> bool:
    is_own: bool = await tx.fetchval(CALL_IS_OWN, call_id, owner)
    return is_own


async def character_of_call(tx: Tx, call_id: UUID) -> UUID | None:
    character_id: UUID | None = await tx.fetchval(CHARACTER_OF_CALL, call_id)
    return character_id


async def count_recent(tx: Tx, owner: UUID, *, within_s: float) -> int:
    count: int = await tx.fetchval(COUNT_RECENT, owner, within_s)
    return count


async def insert(
    tx: Tx,
    *,
    report_id: UUID,
    owner: UUID,
    call_id: UUID | None,
    character_id: UUID | None,
    category: str,
    words: str | None,
) -> None:
    await tx.execute(INSERT, report_id, owner, call_id, character_id, category, words)


async def list_open(tx: Tx, *, limit: int) -> list[Report]:
    """The oldest first."""
    return [Report(**row) for row in await tx.fetch(OPEN, limit)]


async def list_resolved(tx: Tx, *, limit: int) -> list[Report]:
    """What was closed last first."""
    return [Report(**row) for row in await tx.fetch(RESOLVED, limit)]


async def resolve(
    tx: Tx, report_ids: Sequence[UUID], *, actor: str, resolution: str
) -> list[tuple[UUID, UUID]]:
    """The ids of those that were open, each with who reported."""
    rows = await tx.fetch(RESOLVE, list(report_ids), actor, resolution)
    return [(row["id"], row["user_id"]) for row in rows]


async def reopen(tx: Tx, report_ids: Sequence[UUID]) -> list[tuple[UUID, UUID]]:
    """The ids of those that were closed, each with who reported."""
    return [(row["id"], row["user_id"]) for row in await tx.fetch(REOPEN, list(report_ids))]
