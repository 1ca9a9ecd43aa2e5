"""
What a call is told of its caller: how long it takes to find, for small and full accounts.

The anchors are a call that remembers nothing, and the same search without pgvector. Rounds are
interleaved; each account is one of many, and its memories differ in words and vectors.
"""

import statistics
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from control_plane.memories.choosing import SHARED
from control_plane.memories.embedding import HASHED, hashed
from control_plane.memories.recollection import memories_of_call
from control_plane.memories.settings import MemorySettings
from control_plane.store.memories import prepare_vectors
from local.bench.postgres_meter import PostgresMeter
from local.bench.virtual_calls import open_calls
from local.options import progress
from local.stack import Stack
from shared.clock import SystemClock

_CLOCK = SystemClock()

# 300: a full character and as many shared ones; 3,000: what MEMORIES_MAX allows, nearly.
ACCOUNTS_OF = {0: 30, 20: 30, 300: 30, 3_000: 10}
ROUNDS = 4
FACTS = 400  # different ones, dealt out to all accounts
MS_MAX = 50.0  # the target

_WHO = "sister brother mother father neighbour teacher doctor dog cat boss".split()
_WHAT = "likes visits misses remembers paints repairs collects sells fears studies".split()
_WHICH = "trains gardens songs boats clocks maps horses letters bridges lamps".split()

_FREEZE = """
insert into after_calls(call_id, user_id, memory_mode, memory_character)
select s.id, s.user_id, 'lasting', 'bench' from call_sessions s where s.id = any($1::uuid[])
"""
# What a server without pgvector gets by the migration.
PLAIN = """
create or replace function memory_similarity_v1(a real[], b real[]) returns float8
language sql immutable parallel safe as
$f$ select coalesce(sum(x::float8 * y), 0) from unnest(a, b) u(x, y) $f$
"""
_FACTS = "create temp table if not exists bench_facts(n int primary key, fact text, vector real[])"
_FILL = """
insert into agent_memories(id, user_id, character_id, memory_type, content, source, embedder,
  embedding)
select gen_random_uuid(), s.user_id, case when slot % 2 = 0 then $2 else 'bench' end,
  'slot_' || slot, f.fact || ' ' || slot, 'call', $3, f.vector
from call_sessions s, generate_series(1, $4::int) slot join bench_facts f on f.n = slot % $5
where s.id = any($1::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Milliseconds of one retrieval, its transaction included; `cpu_ms` are those of Postgres."""

    name: str
    ms_p50: float
    ms_p95: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class _Crowd:
    """Accounts with so many memories each, and what searches of them took, by way."""

    size: int
    calls: list[UUID]
    ms: dict[str, list[float]] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)


async def measure_retrieval(stack: Stack) -> list[Retrieval]:
    """Needs Postgres with the schema, nothing else."""
    connection = await asyncpg.connect(stack.database_url)
    try:
        await connection.execute(_FACTS)
        await connection.copy_records_to_table("bench_facts", records=_facts())
        crowds = [await _crowd(connection, size) for size in ACCOUNTS_OF]
        await connection.execute("vacuum analyze")
        meter = PostgresMeter(connection, stack.pid_of("postgres"))
        for number in range(ROUNDS):
            progress(f"memories, round {number + 1} of {ROUNDS}")
            for way in ("pgvector", "plain"):
                await _measure_all(connection, meter, crowds, way)
    finally:
        await connection.close()
    return [
        Retrieval(
            name=f"{crowd.size:,} memories, by {way}" if crowd.size else f"nothing, by {way}",
            ms_p50=statistics.median(took),
            ms_p95=statistics.quantiles(took, n=20)[18],
            cpu_ms=crowd.cpu_s[way] / len(took) * 1_000,
        )
        for crowd in crowds
        for way, took in crowd.ms.items()
    ]


async def _measure_all(
    connection: "asyncpg.Connection[asyncpg.Record]",
    meter: PostgresMeter,
    crowds: list[_Crowd],
    way: str,
) -> None:
    if way == "plain":
        await connection.execute(PLAIN)
    else:
        way = await prepare_vectors(connection)
    for crowd in crowds:
        await _one_ms(connection, crowd.calls[0])  # its plan is a new one
        before = await meter.read()
        took = [await _one_ms(connection, call) for call in crowd.calls]
        spent = await meter.read() - before
        crowd.ms.setdefault(way, []).extend(took)
        crowd.cpu_s[way] = crowd.cpu_s.get(way, 0) + spent.cpu_s


async def _crowd(connection: "asyncpg.Connection[asyncpg.Record]", size: int) -> _Crowd:
    calls = await open_calls(connection, ACCOUNTS_OF[size])
    await connection.execute(_FREEZE, calls)
    await connection.execute(_FILL, calls, SHARED, HASHED, size, FACTS)
    return _Crowd(size, calls)


def _facts() -> list[tuple[int, str, list[float]]]:
    """The same ones each time."""
    texts = [
        f"The caller's {_WHO[n % 10]} {_WHAT[n // 10 % 10]} {_WHICH[n // 100 + n % 7]}."
        for n in range(FACTS)
    ]
    return [(n, text, hashed(text)) for n, text in enumerate(texts)]


async def _one_ms(connection: "asyncpg.Connection[asyncpg.Record]", call_id: UUID) -> float:
    began_s = _CLOCK.monotonic()
    async with connection.transaction():
        await memories_of_call(connection, call_id, MemorySettings())
    return (_CLOCK.monotonic() - began_s) * 1_000
