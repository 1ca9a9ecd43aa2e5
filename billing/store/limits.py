"""SQL of what people set for themselves: spending cap, low-balance notice, time zone."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx

LOCK = "select 1 from credits where user_id = $1 for no key update"

OF_OWNER = """
select k.spend_cap, case when m.is_open then k.spent else 0 end as spent,
  case when m.is_open then k.month_ends
    else month_end_v1(zone_of_v1(k.user_id), clock_timestamp()) end as month_ends,
  s.low_balance_at, zone_of_v1(k.user_id) as time_zone
from credits k left join account_settings s using (user_id),
  lateral (select clock_timestamp() < k.month_ends as is_open) m
where k.user_id = $1
"""

SET_CAP = "update credits set spend_cap = $2 where user_id = $1"

# A new threshold is a new question: whoever is below it is told at the next debit.
SET_LOW_BALANCE = """
insert into account_settings(user_id, low_balance_at) values ($1, $2)
on conflict (user_id) do update set low_balance_at = $2, low_told_at = null
"""

SET_TIME_ZONE = "select time_zone_set_v1($1, $2)"

# Of accounts with running calls: others are looked at by whoever changes their balance.
TELL_LOW_BALANCES = """
select count(*) filter (where low_balance_v1(c.user_id))::int
from (select distinct s.user_id from call_sessions s
  join account_settings a on a.user_id = s.user_id and a.low_balance_at is not null
    and a.low_told_at is null
  where s.state in ('authorized', 'active') order by s.user_id limit $1) c
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Micro-credits; None: no cap, no notice. `spent` are the debits of the spending month, which ends
    at `month_ends`.
    """

    spend_cap: int | None
    spent: int
    month_ends: datetime
    low_balance_at: int | None
    time_zone: str


async def lock(tx: Tx, owner: UUID) -> None:
    """Before anything of the account is changed, as everybody who changes its money does."""
    await tx.execute(LOCK, owner)


async def limits_of(tx: Tx, owner: UUID) -> Limits | None:
    row = await tx.fetchrow(OF_OWNER, owner)
    return Limits(**row) if row else None


async def set_cap(tx: Tx, owner: UUID, cap: int | None) -> None:
    await tx.execute(SET_CAP, owner, cap)


async def set_low_balance(tx: Tx, owner: UUID, below: int | None) -> None:
    await tx.execute(SET_LOW_BALANCE, owner, below)


async def set_time_zone(tx: Tx, owner: UUID, name: str) -> None:
    """Raises asyncpg's error 22023 for an unknown zone."""
    await tx.execute(SET_TIME_ZONE, owner, name)


async def tell_low_balances(tx: Tx, *, accounts_max: int) -> int:
    told: int = await tx.fetchval(TELL_LOW_BALANCES, accounts_max)
    return told
