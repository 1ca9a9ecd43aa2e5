"""Yesterday's traffic: millions of old segments, in partitions of the months before this one."""

import asyncpg

MONTHS = 5
SEGMENTS_PER_CALL = 18  # three minutes at one segment in ten seconds

_USER = "insert into profiles(id, issuer, subject) values ($1, 'bench', 'of old')"
_CREDITS = "insert into credits(user_id) values ($1)"
_CALLS = """
insert into call_sessions(id, user_id, state, price_microcredits_per_minute, seconds, granted, cost,
  max_seconds, authorized_at, ended_at, last_seen_at)
select md5($3 || ':' || n)::uuid, $1, 'closed', 1000000000, 180, 180, 3000000000, 180,
  began.at, began.at, began.at
from generate_series(1, $2::int) n,
  lateral (select date_trunc('month', now(), 'utc') - make_interval(months => $4)
    + make_interval(secs => n % 2000000) as at) began
"""
_SEGMENTS = """
insert into {table}(call_id, start_s, end_s, cost, source, at)
select md5($2 || ':' || n)::uuid, part * 10, part * 10 + 10, 166666667, 'agent', began.at
from generate_series(1, $1::int) n,
  lateral (select date_trunc('month', now(), 'utc') - make_interval(months => $3)
    + make_interval(secs => n % 2000000) as at) began,
  generate_series(0, {segments} - 1) part
"""
# The index is built once, after the rows: several times faster than row by row.
_ATTACH = """
alter table {table} add primary key (call_id, start_s, at);
alter table usage_events attach partition {table} for values
  from (date_trunc('month', now(), 'utc') - make_interval(months => {months}))
  to (date_trunc('month', now(), 'utc') - make_interval(months => {months} - 1));
"""


async def add_old_rows(connection: "asyncpg.Connection[asyncpg.Record]", rows: int) -> int:
    """About `rows` segments and their closed calls; returns how many. 10 million need 2 GB."""
    user = await connection.fetchval("select gen_random_uuid()")
    await connection.execute(_USER, user)
    await connection.execute(_CREDITS, user)
    calls = max(1, rows // SEGMENTS_PER_CALL // MONTHS)
    for months in range(1, MONTHS + 1):
        table = f"usage_events_old_{months}"
        await connection.execute(
            f"create table {table} (like usage_events including defaults including constraints)"
        )
        await connection.execute(_CALLS, user, calls, table, months)
        segments = _SEGMENTS.format(table=table, segments=SEGMENTS_PER_CALL)
        await connection.execute(segments, calls, table, months)
        await connection.execute(_ATTACH.format(table=table, months=months))
    await connection.execute("vacuum analyze usage_events")
    await connection.execute("vacuum analyze call_sessions")
    await connection.execute("checkpoint")
    return MONTHS * calls * SEGMENTS_PER_CALL
