"""SQL of the daily free credits: the rule, and who had them when."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx

RULE = """
select version, credits, cap, last_days, plan from daily_credit_rules order by version desc limit 1
"""

SET_RULE = """
insert into daily_credit_rules(credits, cap, last_days, plan, set_by, reason)
values ($1, $2, $3, $4, $5, $6)
"""

# The next grant: at the next midnight of the person, and 20 hours after the last one if the zone
# was changed since; null: at once.
STANDING = """
select zone_of_v1(k.user_id) as time_zone, d.granted_at as last_at,
  greatest((d.day + 1)::timestamp at time zone zone_of_v1(k.user_id), d.not_before) as next_at
from credits k left join daily_grants d using (user_id) where k.user_id = $1
"""


@dataclass(frozen=True, slots=True)
class DailyRule:
    """
    `credits` micro-credits at the first visit of a day, never above `cap` of them in an account.

    They live for `last_days` days, the first included; `plan` is free, paid or *.
    """

    version: int
    credits: int
    cap: int
    last_days: int
    plan: str


@dataclass(frozen=True, slots=True)
class DailyStanding:
    """Where the person is, and when the credits came and will come; None: never, and at once."""

    time_zone: str
    last_at: datetime | None
    next_at: datetime | None


async def rule(tx: Tx) -> DailyRule | None:
    row = await tx.fetchrow(RULE)
    return DailyRule(**row) if row else None


async def set_rule(
    tx: Tx,
    *,
    credits_: int,
    cap: int,
    last_days: int,
    plan: str,
    set_by: str,
    reason: str,
) -> None:
    await tx.execute(SET_RULE, credits_, cap, last_days, plan, set_by, reason)


async def standing_of(tx: Tx, owner: UUID) -> DailyStanding | None:
    """None for an unknown account."""
    row = await tx.fetchrow(STANDING, owner)
    return DailyStanding(**row) if row else None
