"""Many open calls in a database, made by one statement: the crowd a settle benchmark needs."""

from uuid import UUID

import asyncpg

from shared.ids import new_uuid

WORKER = "bench"
PRICE_MICROCREDITS_PER_MINUTE = 1_000_000_000
RICH = 10**15  # micro-credits; no benchmark runs an account dry

_ACCOUNTS = """
with people as (
  insert into profiles(id, issuer, subject) select u, 'bench', u::text from unnest($1::uuid[]) u)
insert into credits(user_id, balance, paid) select u, $2, true from unnest($1::uuid[]) u
"""
_LEDGER = """
insert into credit_transactions(user_id, kind, amount, source, source_id)
select u, 'topup', $2, 'bench', u::text from unnest($1::uuid[]) u
"""
_LOTS = """
insert into credit_lots(user_id, kind, priority, amount, remaining)
select u, 'purchased', 40, $2, $2 from unnest($1::uuid[]) u
"""
_CALLS = """
insert into call_sessions(id, user_id, state, epoch, price_microcredits_per_minute, granted,
  max_seconds, worker_id, job_id, answered_at, started_at)
select c, u, 'active', 1, $3, 120, 86400, $4, c::text,
  clock_timestamp() - interval '20 hours', clock_timestamp() - interval '20 hours'
from unnest($1::uuid[], $2::uuid[]) x(c, u)
"""
_HOLDS = "update credits set reserved = call_cost($2, 120) where user_id = any($1::uuid[])"
_WORKER = "insert into workers(id, slots) values ($1, 0) on conflict do nothing"
_FORGET = """
update call_sessions set state = 'closed', ended_at = clock_timestamp() where id = any($1::uuid[])
"""


async def open_calls(connection: "asyncpg.Connection[asyncpg.Record]", count: int) -> list[UUID]:
    """`count` running calls of as many accounts, with room for 20 hours of reports."""
    users = [new_uuid() for _ in range(count)]
    calls = [new_uuid() for _ in range(count)]
    price = PRICE_MICROCREDITS_PER_MINUTE
    async with connection.transaction():
        await connection.execute(_ACCOUNTS, users, RICH)
        await connection.execute(_LEDGER, users, RICH)
        await connection.execute(_LOTS, users, RICH)
        await connection.execute(_CALLS, calls, users, price, WORKER)
        await connection.execute(_HOLDS, users, price)
        await connection.execute(_WORKER, WORKER)
    await connection.execute("analyze")
    return calls


async def forget_calls(connection: "asyncpg.Connection[asyncpg.Record]", calls: list[UUID]) -> None:
    """Close them without a bill, so that the next crowd is alone; their segments stay."""
    await connection.execute(_FORGET, calls)
    await connection.execute("vacuum analyze call_sessions")
