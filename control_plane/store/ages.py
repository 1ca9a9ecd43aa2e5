"""SQL of what is said of accounts' ages."""

from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx

NEWEST = """
select is_adult from age_statements where user_id = $1 order by id desc limit 1
"""

INSERT = "insert into age_statements(user_id, is_adult, actor) values ($1, $2, $3)"

ROOMS_OUTSIDE_MINORS_MODE = """
select s.id as call_id, c.room_name as name
from call_sessions s join call_configs c on c.call_id = s.id
where s.user_id = $1 and s.state in ('authorized', 'active') and not c.minors_mode
"""


@dataclass(frozen=True, slots=True)
class OpenRoom:
    call_id: UUID
    name: str


async def newest(tx: Tx, user_id: UUID) -> bool | None:
    """Whether the account is an adult's; None: nobody ever said."""
    said: bool | None = await tx.fetchval(NEWEST, user_id)
    return said


async def insert(tx: Tx, user_id: UUID, *, is_adult: bool, actor: str) -> None:
    await tx.execute(INSERT, user_id, is_adult, actor)


async def rooms_outside_minors_mode(tx: Tx, user_id: UUID) -> list[OpenRoom]:
    """Of the account's open calls."""
    return [OpenRoom(**row) for row in await tx.fetch(ROOMS_OUTSIDE_MINORS_MODE, user_id)]
