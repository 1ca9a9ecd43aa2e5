"""
What lots cost at the end of a call: one lot; fifty, of which one is burnt; fifty, all burnt.

The anchor is the same close with nothing to bill (no lot is touched). Rounds are interleaved.
"""

import statistics
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from local.bench.virtual_calls import open_calls
from local.stack import Stack
from shared.clock import SystemClock

_CLOCK = SystemClock()
CALLS_A_ROUND = 60
ROUNDS = 8
SECONDS = 60
COST = 1_000_000_000  # micro-credits, of a minute at the benchmark's price
LOTS = 50

_SPLIT = """
with cut as (
  update credit_lots set remaining = remaining - $2::bigint * $3 where user_id = any($1::uuid[]))
insert into credit_lots(user_id, kind, priority, amount, remaining, expires_at)
select u, 'free', 10, $2, $2, clock_timestamp() + make_interval(days => n)
from unnest($1::uuid[]) u, generate_series(1, $3::int) n
"""
_USERS = "select user_id from call_sessions where id = any($1::uuid[])"
_SETTLE = "select count(*) from calls_settle_v2($1::uuid[], $2::int[], $3::int[], 120, 75)"
_CLOSE = "select seconds from call_close_v2($1, 1, $2, 'caller_hangup', 'agent', 'agent')"
_LEFT = "select count(*)::int from credit_lots where user_id = any($1::uuid[]) and is_open"


@dataclass(frozen=True, slots=True)
class CloseCost:
    """Milliseconds of one close, a transaction of its own."""

    name: str
    lots_burnt: float
    ms_p50: float
    ms_p99: float


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    seconds: int
    lots: int
    credits_a_lot: int


KINDS = (
    _Kind("close, nothing to bill", 0, 0, 0),
    _Kind("close, 1 lot", SECONDS, 0, 0),
    _Kind(f"close, {LOTS} lots, burns 1", SECONDS, LOTS - 1, COST + 1),
    _Kind(f"close, {LOTS} lots, burns all", SECONDS, LOTS - 1, COST // LOTS),
)


async def measure_closes(stack: Stack) -> list[CloseCost]:
    """Needs Postgres with the schema, nothing else."""
    connection = await asyncpg.connect(stack.database_url)
    samples: dict[str, list[float]] = {kind.name: [] for kind in KINDS}
    burnt: dict[str, int] = {kind.name: 0 for kind in KINDS}
    try:
        for _ in range(ROUNDS):
            for kind in KINDS:
                times, emptied = await _one_round(connection, kind)
                samples[kind.name] += times
                burnt[kind.name] += emptied
    finally:
        await connection.close()
    return [
        CloseCost(
            name=kind.name,
            lots_burnt=burnt[kind.name] / len(samples[kind.name]) + bool(kind.seconds),
            ms_p50=statistics.median(samples[kind.name]),
            ms_p99=statistics.quantiles(samples[kind.name], n=100)[98],
        )
        for kind in KINDS
    ]


async def _one_round(
    connection: "asyncpg.Connection[asyncpg.Record]", kind: _Kind
) -> tuple[list[float], int]:
    """Milliseconds of each close, and how many lots are empty afterwards."""
    calls = await open_calls(connection, CALLS_A_ROUND)
    users: list[UUID] = [row[0] for row in await connection.fetch(_USERS, calls)]
    if kind.lots:
        await connection.execute(_SPLIT, users, kind.credits_a_lot, kind.lots)
    if kind.seconds:
        each = [1] * len(calls)
        await connection.fetchval(_SETTLE, calls, each, [kind.seconds] * len(calls))
    before = await connection.fetchval(_LEFT, users)
    times = []
    for call in calls:
        began_s = _CLOCK.monotonic()
        await connection.fetchval(_CLOSE, call, kind.seconds)
        times.append((_CLOCK.monotonic() - began_s) * 1000)
    return times, before - await connection.fetchval(_LEFT, users)
