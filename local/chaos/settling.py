"""How long the books needed after each blow, and what Postgres has to say for itself."""

from typing import Any

import asyncpg

from local.chaos.saboteur import Saboteur
from local.stack import Stack

_CLOSED_AFTER = """
select extract(epoch from max(ended_at) - $2)::float8 from call_sessions where id = any($1::uuid[])
"""
# The longest time without any settled second that began around the blow.
_SILENCE = """
select max(next_at - at)::float8 from (
  select extract(epoch from at) at, lead(extract(epoch from at)) over (order by at) next_at
  from usage_events
  where at between $1::timestamptz - interval '1 s' and $1::timestamptz + interval '30 s') e
where at < extract(epoch from $1::timestamptz) + 1
"""


async def settle_times_s(dsn: str, saboteur: Saboteur) -> dict[str, float]:
    """
    For each kind of kill the worst real time: until the calls it hit were closed, or, where it hit
    none, for which no call could be settled.
    """
    worst: dict[str, float] = {}
    for blow in saboteur.blows:
        if blow.calls:
            [(took,)] = await fetch(dsn, _CLOSED_AFTER, list(blow.calls), blow.at)
        else:
            [(took,)] = await fetch(dsn, _SILENCE, blow.at)
        worst[blow.kind] = max(worst.get(blow.kind, 0.0), took or 0.0)
    return worst


def deadlocks(stack: Stack) -> int:
    """As Postgres wrote them down; its own counter does not survive an immediate stop."""
    return stack.log_of("postgres").read_text(errors="replace").count("deadlock detected")


async def fetch(dsn: str, sql: str, *args: object) -> list[tuple[Any, ...]]:
    """All rows of one statement on a connection of its own: the last one may have been killed."""
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(sql, *args)]
    finally:
        await connection.close()


async def execute(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
