"""
How many calls one small machine can meter: settles a second through HTTP and Postgres.

Anchors in the same run: a FastAPI route that does nothing (the ceiling of one web process), and the
naive meter (`naive.py`). Rounds are interleaved, medians are printed.
"""

import itertools
import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from local.bench.http_load import LoadResult, request_bytes, run_load
from local.bench.naive import drop_naive, ticks_per_second
from local.bench.virtual_calls import WORKER, open_calls
from local.stack import Stack

CALLS = 10_000
CONNECTIONS = 32
SETTLE_PERIOD_S = 10  # what the agent does: one report a call every ten seconds
ROUND_S = 4.0
ROUNDS = 3
BATCHES = (1, 20, 50)


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    per_second: float
    calls_held: float
    p50_ms: float
    p99_ms: float


async def run(stack: Stack, noop_port: int) -> list[Row]:
    """Interleave the anchors and our three batch sizes; the stack needs postgres and web only."""
    connection = await asyncpg.connect(stack.database_url)
    try:
        calls = await open_calls(connection, CALLS)
    finally:
        await connection.close()
    seconds = itertools.count(SETTLE_PERIOD_S, SETTLE_PERIOD_S)
    naive: list[float] = []
    noop: list[LoadResult] = []
    ours: dict[int, list[LoadResult]] = {batch: [] for batch in BATCHES}
    for _ in range(ROUNDS):
        await drop_naive(stack.database_url)
        naive.append(await ticks_per_second(stack.database_url, calls=CALLS, duration_s=ROUND_S))
        noop.append(await _load_noop(noop_port))
        for batch in BATCHES:
            ours[batch].append(await _load_settle(stack, calls, batch, seconds))
    held_by_naive = statistics.median(naive)
    rows = [
        Row("naive: INSERT + UPDATE a call and second", held_by_naive, held_by_naive, 0, 0),
        _row("no-op FastAPI route", noop, calls_a_request=0),
    ]
    rows += [
        _row(f"settle, {batch} calls a request", ours[batch], calls_a_request=batch)
        for batch in BATCHES
    ]
    return rows


def _row(name: str, rounds: list[LoadResult], *, calls_a_request: int) -> Row:
    assert not any(r.failed for r in rounds), f"{name}: requests failed"
    per_second = statistics.median(r.per_second for r in rounds)
    return Row(
        name=name,
        per_second=per_second,
        calls_held=per_second * calls_a_request * SETTLE_PERIOD_S,
        p50_ms=statistics.median(r.quantile_ms(0.5) for r in rounds),
        p99_ms=statistics.median(r.quantile_ms(0.99) for r in rounds),
    )


async def _load_noop(port: int) -> LoadResult:
    request = request_bytes("POST", "/noop", body=b"{}")
    return await run_load(
        port=port,
        connections=CONNECTIONS,
        duration_s=ROUND_S,
        requests_of=lambda _n: itertools.repeat(request),
    )


async def _load_settle(
    stack: Stack, calls: list[UUID], batch: int, seconds: "itertools.count[int]"
) -> LoadResult:
    headers = {
        "authorization": f"Bearer {stack.env['INTERNAL_TOKEN']}",
        "content-type": "application/json",
    }

    def requests_of(number: int) -> Iterator[bytes]:
        """Connection n reports its own share of the calls, batch after batch."""
        share = calls[number::CONNECTIONS]
        batches = [share[at : at + batch] for at in range(0, len(share), batch)]
        while True:
            upto = next(seconds)
            for part in batches:
                reports = [{"id": str(c), "epoch": 1, "seconds": upto % 70_000} for c in part]
                body = json.dumps({"worker_id": WORKER, "calls": reports}).encode()
                yield request_bytes("POST", "/internal/v1/calls/settle", body=body, headers=headers)

    return await run_load(
        port=stack.ports.web,
        connections=CONNECTIONS,
        duration_s=ROUND_S,
        requests_of=requests_of,
    )
