"""
Hot statements keep to their indexes, whatever lies in the tables.

A plan that reads a whole table is fast on a developer's machine and ends the service a year later.
"""

import re
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from billing.store import accounts, calls, stale
from control_plane.store import workers
from local.bench.old_rows import add_old_rows
from local.bench.virtual_calls import open_calls
from shared.migrate import MIGRATIONS

OPEN_CALLS = 200
OLD_CALLS = 20_000
OLD_ACCOUNTS = 20_000

_OLD_ACCOUNTS = """
with people as (
  insert into profiles(id, issuer, subject)
  select gen_random_uuid(), 'old', n::text from generate_series(1, $1) n returning id)
insert into credits(user_id) select id from people
"""
_OLD_POSTINGS = """
insert into credit_transactions(user_id, kind, amount, source, source_id)
select user_id, 'adjust', 0, 'old', user_id::text || n from credits, generate_series(1, 10) n
"""
OLD_SEGMENTS = 50_000  # in partitions of five months
BIG_SCAN = re.compile(
    r"Seq Scan on (call_sessions|usage_events(_old_\d)?|credit_transactions|credits)\b"
)

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
    await connection.execute(_OLD_ACCOUNTS, OLD_ACCOUNTS)
    await connection.execute(_OLD, user, OLD_CALLS)
    await connection.execute(_OLD_SEGMENTS)
    await connection.execute("analyze")
    return connection, call, user


def _settle_body() -> str:
    """The statement inside calls_settle_v2, with its parameters numbered."""
    sql = (MIGRATIONS / "0019_calls_with_lots.sql").read_text()
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
    async with connection.transaction():
        rows = await connection.fetch(f"explain (costs off) {sql}", *args)
    return "\n".join(row[0] for row in rows)


async def _settle_plan(connection: Any, call: Any) -> str:
    """As the function plans it: once, without a look at the arrays."""
    kinds = "uuid[], int[], int[], int, int, uuid[]"
    await connection.execute("set plan_cache_mode = force_generic_plan")
    await connection.execute(f"prepare settle({kinds}) as {_settle_body()}")
    one = f"array['{call}'::uuid]"
    rows = await connection.fetch(
        f"explain (costs off) execute settle({one}, array[1], array[10], 120, 75, {one})"
    )
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("name", ["balance", "open calls", "stale", "capacity"])
async def test_hot_statements_read_no_whole_table(db_dsn: str, name: str) -> None:
    connection, _call, user = await _crowd(db_dsn)
    statements: dict[str, tuple[str, tuple[Any, ...]]] = {
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

    assert not BIG_SCAN.search(plan), plan


async def test_settling_reads_no_whole_table_and_pairs_nothing_row_by_row(db_dsn: str) -> None:
    """
    Two lists joined by a nested loop took 2.5 s for 50,000 calls instead of 0.1: a loop is fine
    where its inner side is one look into an index, and nowhere else.
    """
    connection, call, _user = await _crowd(db_dsn)
    try:
        plan = await _settle_plan(connection, call)
    finally:
        await connection.close()

    assert not BIG_SCAN.search(plan), plan
    assert "Nested Loop" in plan
    assert "Index Scan using call_sessions_pkey" in plan
    assert "Join Filter" not in plan, plan


STEPS = {
    "authorize": ("select call_authorize_v2($1, $2, 1000000, 120, 1, 3600, null, 1)", "new user"),
    "start": ("select * from call_start_v1($1, 'worker', 'job', 20)", "call"),
    "settle": (
        "select * from calls_settle_v1(array[$1::uuid], array[1], array[10], 120, 75)",
        "call",
    ),
    "close": ("select * from call_close_v1($1, 1, 20, 'caller_hangup', 'agent', 'agent')", "call"),
    "top-up": ("select credit_post_v1($1, 1000, 'topup', 'test', 'one')", "user"),
    "segments": ("select start_s, end_s, cost from usage_events where call_id = $1", "call"),
}


@pytest.mark.parametrize("name", STEPS)
async def test_no_statement_of_a_call_reads_a_whole_table_of_old_months(
    db_dsn: str, name: str
) -> None:
    """Every statement of the function, nested ones too, as Postgres really planned it."""
    connection = await asyncpg.connect(db_dsn)
    [call, *_] = await open_calls(connection, OPEN_CALLS)
    user = await connection.fetchval("select user_id from call_sessions where id = $1", call)
    await connection.execute(_OLD_ACCOUNTS, OLD_ACCOUNTS)
    await connection.execute(_OLD_POSTINGS)
    await add_old_rows(connection, OLD_SEGMENTS)
    await connection.execute("analyze")
    sql, about = STEPS[name]
    arguments = {
        "call": (call,),
        "user": (user,),
        "new user": (uuid4(), user),
    }[about]
    try:
        plans = await _plans_of(connection, sql, *arguments)
    finally:
        await connection.close()

    assert plans
    for plan in plans:
        assert not BIG_SCAN.search(plan), plan


async def _plans_of(connection: Any, sql: str, *arguments: Any) -> list[str]:
    plans: list[str] = []
    connection.add_log_listener(lambda _connection, message: plans.append(message.message))
    await connection.execute(
        "load 'auto_explain'; set auto_explain.log_min_duration = 0; "
        "set auto_explain.log_nested_statements = on; set client_min_messages = log"
    )
    await connection.fetch(sql, *arguments)
    await connection.execute("reset client_min_messages")
    return [plan for plan in plans if "Query Text" in plan]
