"""
What one second of all calls costs the database, from a hundred calls to fifty thousand.

Each virtual second a tenth of the calls reports (S=10), in statements as large as the control plane
makes them. Seconds follow each other without a pause, so costs add up and nothing hides in waiting.
"""

import statistics
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from control_plane.settler import BATCH_CALLS_MAX
from local.bench.naive import CONNECTIONS, drop_naive, ticks_per_second
from local.bench.postgres_meter import PostgresMeter, Spent
from local.bench.settle import SETTLE_PERIOD_S
from local.bench.virtual_calls import forget_calls, open_calls
from local.stack import Stack
from shared.clock import SystemClock

_CLOCK = SystemClock()
CROWDS = (100, 1_000, 5_000, 10_000, 20_000, 50_000)
WARM_UP_S = SETTLE_PERIOD_S  # until every call has reported once
MEASURED_S = 60  # virtual seconds
NAIVE_CALLS = 10_000
NAIVE_S = 4.0

_SETTLE = "select count(*) from calls_settle_v2($1::uuid[], $2::int[], $3::int[], 120, 75)"


@dataclass(frozen=True, slots=True)
class DatabaseCost:
    """Of one crowd. Milliseconds of wall time are for one second of all its calls."""

    name: str
    calls: int
    ms_p50: float
    ms_max: float
    cpu_ms_per_call_minute: float
    wal_bytes_per_call_minute: float

    @property
    def cpu_ms(self) -> float:
        """For one second of all calls, on the average; other work on the machine adds nothing."""
        return self.cpu_ms_per_call_minute * self.calls / 60


async def measure_growth(stack: Stack) -> list[DatabaseCost]:
    """The naive meter, then ours with each crowd; needs Postgres with the schema, nothing else."""
    connection = await asyncpg.connect(stack.database_url)
    meter = PostgresMeter(connection, stack.pid_of("postgres"))
    try:
        return [
            await naive_cost(stack.database_url, meter),
            *[await crowd_cost(connection, meter, n, f"settle, {n:,} calls") for n in CROWDS],
        ]
    finally:
        await connection.close()


async def crowd_cost(
    connection: "asyncpg.Connection[asyncpg.Record]", meter: PostgresMeter, calls: int, name: str
) -> DatabaseCost:
    """`calls` calls for a minute; they are gone afterwards, their segments stay."""
    crowd = await open_calls(connection, calls)
    for second in range(WARM_UP_S):
        await _one_second(connection, crowd, second)
    before = await meter.read()
    samples = [
        await _one_second(connection, crowd, second)
        for second in range(WARM_UP_S, WARM_UP_S + MEASURED_S)
    ]
    spent = await meter.read() - before
    await forget_calls(connection, crowd)
    return _cost(name, calls, samples, spent, call_minutes=calls * MEASURED_S / 60)


async def naive_cost(dsn: str, meter: PostgresMeter) -> DatabaseCost:
    await drop_naive(dsn)
    before = await meter.read()
    per_second = await ticks_per_second(dsn, calls=NAIVE_CALLS, duration_s=NAIVE_S)
    spent = await meter.read() - before
    await drop_naive(dsn)
    a_second_ms = NAIVE_CALLS / per_second * 1000
    name = f"naive, {CONNECTIONS} connections"
    minutes = per_second * NAIVE_S / 60
    return _cost(name, NAIVE_CALLS, [a_second_ms], spent, call_minutes=minutes)


def _cost(
    name: str, calls: int, samples: list[float], spent: Spent, *, call_minutes: float
) -> DatabaseCost:
    return DatabaseCost(
        name=name,
        calls=calls,
        ms_p50=statistics.median(samples),
        ms_max=max(samples),
        cpu_ms_per_call_minute=spent.cpu_s * 1000 / call_minutes,
        wal_bytes_per_call_minute=spent.wal_bytes / call_minutes,
    )


async def _one_second(
    connection: "asyncpg.Connection[asyncpg.Record]", crowd: list[UUID], second: int
) -> float:
    """Milliseconds to settle the calls whose turn it is."""
    due = crowd[second % SETTLE_PERIOD_S :: SETTLE_PERIOD_S]
    began_s = _CLOCK.monotonic()
    for at in range(0, len(due), BATCH_CALLS_MAX):
        part = due[at : at + BATCH_CALLS_MAX]
        await connection.fetchval(
            _SETTLE, part, [1] * len(part), [second + SETTLE_PERIOD_S] * len(part)
        )
    return (_CLOCK.monotonic() - began_s) * 1000
