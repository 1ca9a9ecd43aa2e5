"""SQL of the proof obligations and of the pulse: what the gauges show."""

from dataclasses import dataclass
from datetime import datetime

from shared.db import Tx

VIOLATIONS = "select invariant, key from invariant_violations order by invariant, key limit $1"

RECENT_VIOLATIONS = """
select invariant, key
from recent_violations_v3(clock_timestamp() - make_interval(secs => $1)) order by 1, 2 limit $2
"""

KEEP_CHECK = "insert into book_checks(scope, violations, first_violation) values ($1, $2, $3)"

LAST_CHECKS = """
select distinct on (scope) scope, checked_at, violations from book_checks order by scope, id desc
"""

PULSE = """
select
  count(*) filter (where age_s < 300)::int as holds_young,
  count(*) filter (where age_s >= 300 and age_s < 3600)::int as holds_hour,
  count(*) filter (where age_s >= 3600)::int as holds_old,
  coalesce(sum(least(silent_s, granted - seconds)) filter (where state = 'active'), 0)::float8
    as unsettled_s,
  count(*) filter (where state = 'active' and silent_s > $1)::int as late
from (
  select state, granted, seconds,
    extract(epoch from clock_timestamp() - authorized_at) as age_s,
    extract(epoch from clock_timestamp() - last_seen_at) as silent_s
  from call_sessions where state in ('authorized', 'active')) open
"""


@dataclass(frozen=True, slots=True)
class Violation:
    invariant: str
    key: str


@dataclass(frozen=True, slots=True)
class BookCheck:
    """The last check of one scope, "recent" or "all"."""

    scope: str
    checked_at: datetime
    violations: int


@dataclass(frozen=True, slots=True)
class Pulse:
    """Open calls by age of their hold, and how far reports lag behind."""

    holds_young: int  # under 5 minutes
    holds_hour: int  # under an hour
    holds_old: int
    unsettled_s: float  # talked but not settled, at most
    late: int  # active calls whose report is overdue


async def violations(tx: Tx, *, limit: int) -> list[Violation]:
    return [Violation(**row) for row in await tx.fetch(VIOLATIONS, limit)]


async def recent_violations(tx: Tx, *, since_s: float, limit: int) -> list[Violation]:
    """Only calls and accounts that changed in the last `since_s`."""
    return [Violation(**row) for row in await tx.fetch(RECENT_VIOLATIONS, since_s, limit)]


async def keep_check(tx: Tx, *, scope: str, found: list[Violation]) -> None:
    await tx.execute(KEEP_CHECK, scope, len(found), found[0].invariant if found else None)


async def last_checks(tx: Tx) -> list[BookCheck]:
    return [BookCheck(**row) for row in await tx.fetch(LAST_CHECKS)]


async def pulse(tx: Tx, *, late_after_s: float) -> Pulse:
    row = await tx.fetchrow(PULSE, late_after_s)
    assert row is not None, "an aggregate has one row"
    return Pulse(**row)
