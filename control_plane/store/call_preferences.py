"""SQL of what people have said about their calls: memory and retention."""

from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx

OF_OWNER = """
select memory_mode, memory_scope, retention
from call_preferences where user_id = $1
"""

PUT = """
insert into call_preferences(user_id, memory_mode, memory_scope, retention) values ($1, $2, $3, $4)
on conflict (user_id) do update set memory_mode = excluded.memory_mode,
  memory_scope = excluded.memory_scope, retention = excluded.retention
"""

SWITCH_MEMORY_OFF = """
insert into call_preferences(user_id, memory_mode) values ($1, 'off')
on conflict (user_id) do update set memory_mode = 'off'
"""


@dataclass(frozen=True, slots=True)
class Preferences:
    """None: never said."""

    memory_mode: str | None = None
    memory_scope: str | None = None
    retention: str | None = None


async def of_owner(tx: Tx, owner: UUID) -> Preferences:
    row = await tx.fetchrow(OF_OWNER, owner)
    return Preferences(**row) if row else Preferences()


async def put(
    tx: Tx, *, owner: UUID, memory_mode: str | None, memory_scope: str | None, retention: str | None
) -> None:
    await tx.execute(PUT, owner, memory_mode, memory_scope, retention)


async def switch_memory_off(tx: Tx, owner: UUID) -> None:
    await tx.execute(SWITCH_MEMORY_OFF, owner)
