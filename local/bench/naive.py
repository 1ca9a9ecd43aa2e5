"""
The anchor: what a per-second meter does without this design.

One transaction a call and second, straight to Postgres, with nothing between: INSERT a usage row
and UPDATE the balance in one statement, its fastest form. It knows no hold, no crash, no repeat.
"""

import asyncio
from uuid import UUID

import asyncpg

from shared.clock import SystemClock
from shared.ids import new_uuid

_CLOCK = SystemClock()
CONNECTIONS = 16  # where its throughput peaks on two cores

_TABLES = """
create table naive_credits(user_id uuid primary key, balance bigint not null)
  with (fillfactor = 70);
create table naive_usage(call_id uuid not null, at_s int not null, cost bigint not null,
  at timestamptz not null default clock_timestamp(), primary key (call_id, at_s));
"""
_TICK = """
with used as (insert into naive_usage(call_id, at_s, cost) values ($1, $2, $3))
update naive_credits set balance = balance - $3 where user_id = $4
"""
COST = 16_666_667


async def ticks_per_second(dsn: str, *, calls: int, duration_s: float) -> float:
    """Calls it can hold at one-second resolution: transactions a second."""
    pool = await asyncpg.create_pool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS)
    try:
        await pool.execute(_TABLES)
        users = [new_uuid() for _ in range(calls)]
        await pool.execute(
            "insert into naive_credits select u, $2 from unnest($1::uuid[]) u", users, 10**15
        )
        until_s = _CLOCK.monotonic() + duration_s
        shares = [users[n::CONNECTIONS] for n in range(CONNECTIONS)]
        done = await asyncio.gather(*(_one_connection(pool, share, until_s) for share in shares))
        return sum(done) / duration_s
    finally:
        await pool.close()


async def drop_naive(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("drop table if exists naive_credits, naive_usage")
    finally:
        await connection.close()


async def _one_connection(
    pool: "asyncpg.Pool[asyncpg.Record]", users: list[UUID], until_s: float
) -> int:
    done, second = 0, 0
    async with pool.acquire() as connection:
        tick = await connection.prepare(_TICK)
        while True:
            for user in users:
                if _CLOCK.monotonic() >= until_s:
                    return done
                await tick.fetchval(user, second, COST, user)
                done += 1
            second += 1
