"""
Hot statements keep to their indexes, whatever lies in the tables.

A plan that reads a whole table is fast on a developer's machine and ends the service a year later.
"""

import re
from typing import Any

import asyncpg
import pytest

from billing.store import accounts, calls, stale
from control_plane.store import workers
from local.bench.virtual_calls import open_calls
from shared.migrate import MIGRATIONS

OPEN_CALLS = 200
OLD_CALLS = 20_000

_OLD = """
insert into call_sessions(id, user_id, state, price_microcredits_per_minute, max_seconds,
  rate_card_version, ended_at, last_seen_at)
select gen_random_uuid(), $1, 'closed', 1, 1, 1, old.at, old.at
from generate_series(1, $2), (select now() - interval '9 days' as at) old
"""
_OLD_SEGMENTS = """
insert into usage_events(call_id, start_s, end_s, cost, source, at)
select id, n * 10, n * 10 + 10, 0, 'agent', now() - interval '70 days'
from call_sessions, generate_series(0, 4) n where state = 'closed'
"""


async def _crowd(dsn: str) -> tuple[Any, Any, Any]:
    connection = await asyncpg.connect(dsn)
    [call, *_] = await open_calls(connection, OPEN_CALLS)
    user = await connection.fetchval("select user_id from call_sessions where id = $1", call)
    await connection.execute(_OLD, user, OLD_CALLS)
    await connection.execute(_OLD_SEGMENTS)
    await connection.execute("analyze")
    return connection, call, user


def _settle_body() -> str:
    """The statement inside calls_settle_v1, with its parameters numbered."""
    sql = (MIGRATIONS / "0003_charging.sql").read_text()
    body = sql[
        sql.index("  with report as materialized") : sql.index(
            "where not (n.is_open and n.is_owner);"
        )
    ]
    body += "where not (n.is_open and n.is_owner)"
    for number, name in enumerate(
        ("p_call", "p_epoch", "p_upto", "p_want", "p_low", "cs"), start=1
    ):
        kind = {1: "uuid[]", 2: "int[]", 3: "int[]", 4: "int", 5: "int", 6: "uuid[]"}[number]
        body = re.sub(rf"\b{name}\b", f"${number}::{kind}", body)
    return body


async def _plan(connection: Any, sql: str, *args: Any) -> str:
    await connection.execute("set plan_cache_mode = force_generic_plan")
    rows = await connection.fetch(f"explain (generic_plan, costs off) {sql}") if not args else None
    if rows is None:
        async with connection.transaction():
            rows = await connection.fetch(f"explain (costs off) {sql}", *args)
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("name", ["settle", "balance", "open calls", "stale", "capacity"])
async def test_hot_statements_read_no_whole_table(db_dsn: str, name: str) -> None:
    connection, call, user = await _crowd(db_dsn)
    statements: dict[str, tuple[str, tuple[Any, ...]]] = {
        "settle": (_settle_body(), ([call], [1], [10], 120, 75, [call])),
        "balance": (accounts.LOCK_BALANCE, (user,)),
        "open calls": (calls.OPEN_OF_USER, (user,)),
        "stale": (stale.STALE, (5.0, 100)),
        "capacity": (workers.CAPACITY, (6,)),
    }
    sql, args = statements[name]
    try:
        plan = await _plan(connection, sql, *args)
    finally:
        await connection.close()

    big = "call_sessions|usage_events|credit_transactions"
    assert not re.search(rf"Seq Scan on ({big})", plan), plan
