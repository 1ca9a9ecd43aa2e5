"""python -m local bench: our numbers beside their anchors, in one run."""

import argparse
import asyncio
import dataclasses
import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from local.bench import (
    density,
    growth,
    lots,
    memories,
    settle,
    speech,
    speech_costs,
    tables,
    till,
    turns,
)
from local.bench.noop import noop_server
from local.bench.old_rows import add_old_rows
from local.bench.plot import draw_growth
from local.bench.postgres_meter import PostgresMeter
from local.bench.session_anchor import session_anchor
from local.bench.speech_stack import speech_bench
from local.bench.tick import TickCost, tick_costs
from local.bench.wire import WireCost, wire_costs
from local.options import progress
from local.stack import Stack

PARTS = (
    *("settle", "growth", "rows", "agent", "speech", "density", "till", "lots", "turns"),
    "memories",
)
MONEY_ONLY = ("postgres", "migrate", "web")
TILL_ONLY = ("postgres", "migrate", "web", "jobs")
DATABASE_ONLY = ("postgres", "migrate")
CALLS = (3, 8)
ROUNDS = 2
OLD_ROWS = 10_000_000
ROWS_CALLS = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", choices=PARTS, help="one part of it")
    parser.add_argument("--rows", type=int, default=OLD_ROWS, help="old usage_events (2 GB a 10 M)")
    parser.add_argument(
        "--full", action="store_true", help="density: also calls with memory and tools in use"
    )
    parser.add_argument("--plot", type=Path, help="write the growth as an SVG here")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")


async def run(options: argparse.Namespace) -> int:
    parts = [options.only] if options.only else list(PARTS)
    measured: dict[str, list[Any]] = {}
    if "settle" in parts:
        measured["settle"] = await _settle()
    if "growth" in parts:
        measured["growth"] = await _growth(options.plot)
    if "rows" in parts:
        measured["rows"] = await _rows(options.rows)
    if "agent" in parts:
        measured["tick"], measured["wire"] = await _agent()
    if "speech" in parts:
        measured["speech"], measured["speech_costs"] = await _speech()
    if "density" in parts:
        measured["density"] = await _density(full=options.full)
    more = (("till", _till), ("lots", _lots), ("turns", _turns), ("memories", _memories))
    for part, measure in more:
        if part in parts:
            measured[part] = await measure()
    if options.json:
        print(json.dumps(_plain(measured), indent=1))
    else:
        tables.print_all(measured)
    return 0


def _plain(measured: dict[str, list[Any]]) -> dict[str, list[dict[str, Any]]]:
    return {part: [dataclasses.asdict(row) for row in rows] for part, rows in measured.items()}


@asynccontextmanager
async def _stack(*only: str, **settings: str) -> AsyncIterator[Stack]:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, **settings}
        started = Stack.start(
            data_dir=Path(folder), environment=environment, only=only or None, log=progress
        )
        async with started as stack:
            yield stack


async def _settle() -> list[settle.Row]:
    async with _stack(*MONEY_ONLY) as stack, noop_server() as noop_port:
        return await settle.run(stack, noop_port)


async def _growth(plot: Path | None) -> list[growth.DatabaseCost]:
    async with _stack(*DATABASE_ONLY) as stack:
        costs = await growth.measure_growth(stack)
    if plot:
        draw_growth(costs[1:], plot)
    return costs


async def _rows(rows: int) -> list[growth.DatabaseCost]:
    """The same crowd before and after the past was filled in."""
    async with _stack(*DATABASE_ONLY) as stack:
        connection = await asyncpg.connect(stack.database_url)
        meter = PostgresMeter(connection, stack.pid_of("postgres"))
        try:
            empty = await growth.crowd_cost(connection, meter, ROWS_CALLS, "no old rows")
            progress(f"filling in {rows:,} old rows")
            count = await add_old_rows(connection, rows)
            full = await growth.crowd_cost(connection, meter, ROWS_CALLS, f"{count:,} old rows")
            return [empty, full]
        finally:
            await connection.close()


async def _till() -> list[till.Row]:
    async with (
        till.stripe_like() as stripe,
        _stack(*TILL_ONLY, **stripe) as stack,
        noop_server() as noop_port,
    ):
        return await till.run(stack, noop_port, stripe)


async def _lots() -> list[lots.CloseCost]:
    async with _stack(*DATABASE_ONLY) as stack:
        return await lots.measure_closes(stack)


async def _memories() -> list[memories.Retrieval]:
    async with _stack(*DATABASE_ONLY) as stack:
        return await memories.measure_retrieval(stack)


async def _turns() -> list[turns.Latency]:
    async with _stack() as stack:
        return await turns.run(stack)


async def _agent() -> tuple[list[TickCost], list[WireCost]]:
    async with _stack(*MONEY_ONLY) as stack:
        ticks = await asyncio.to_thread(tick_costs, stack.layout.data)
        return ticks, await wire_costs(stack)


async def _speech() -> tuple[list[speech.Row], list[speech_costs.Cost]]:
    async with speech_bench() as bench, session_anchor(bench.stack.env) as anchor_port:
        rows = [*await speech.hits(bench, anchor_port), *await speech.sold(bench)]
        return rows, await speech_costs.measure_costs(bench)


async def _density(*, full: bool) -> list[density.Cost]:
    costs: dict[tuple[str, int], density.Cost] = {}
    async with (
        _stack(**density.FULL_SETTINGS) as stack,
        density.contenders(stack, stack.layout.logs, full=full) as all_of_them,
    ):
        for calls in CALLS * ROUNDS:
            for contender in all_of_them:
                key = (contender.name, calls)
                cost = costs.setdefault(key, density.Cost(contender.name, calls))
                progress(f"{contender.name}, {calls} calls")
                await density.measure(contender, calls, cost)
    return sorted(costs.values(), key=lambda cost: cost.calls)
