"""SQL of what happened in calls besides the talk."""

from collections.abc import Sequence
from uuid import UUID

from shared.call_protocol import CallEvent
from shared.db import Tx

INSERT = """
insert into call_events(call_id, index, kind, at_s)
select $1, e.index, e.kind, e.at_s
from unnest($2::int[], $3::text[], $4::double precision[]) e(index, kind, at_s)
on conflict do nothing returning kind
"""

LANGUAGE_OF = "select language from call_configs where call_id = $1"


async def insert(tx: Tx, call_id: UUID, events: Sequence[CallEvent]) -> list[str]:
    """The kinds of those that were not known yet."""
    rows = await tx.fetch(
        INSERT,
        call_id,
        [event.index for event in events],
        [event.kind for event in events],
        [event.at_s for event in events],
    )
    return [row["kind"] for row in rows]


async def language_of(tx: Tx, call_id: UUID) -> str:
    """Of the call's configuration; empty for a call without one."""
    language: str | None = await tx.fetchval(LANGUAGE_OF, call_id)
    return language or ""
