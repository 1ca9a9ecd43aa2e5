"""python -m local bench: our numbers beside their anchors, in one run."""

import argparse
import os
import tempfile
from pathlib import Path

from local.bench import density, settle
from local.bench.noop import noop_server
from local.options import progress
from local.stack import Stack

PARTS = ("settle", "density")
CALLS = (3, 8)
ROUNDS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", choices=PARTS, help="one part of it")


async def run(options: argparse.Namespace) -> int:
    parts = [options.only] if options.only else list(PARTS)
    if "settle" in parts:
        await _settle()
    if "density" in parts:
        await _density()
    return 0


async def _density() -> None:
    costs: dict[tuple[str, int], density.Cost] = {}
    with tempfile.TemporaryDirectory() as folder:
        started = Stack.start(data_dir=Path(folder), environment=os.environ, log=progress)
        async with started as stack, density.contenders(stack, Path(folder)) as all_of_them:
            for calls in CALLS * ROUNDS:
                for contender in all_of_them:
                    cost = costs.setdefault((contender.name, calls), density.Cost())
                    progress(f"{contender.name}, {calls} calls")
                    await density.measure(contender, calls, cost)
    print(f"\n{'density':28} {'calls':>5} {'core/call':>10} {'MiB/call':>9} first sound, missed")
    for (name, calls), cost in sorted(costs.items(), key=lambda item: item[0][1]):
        print(
            f"{name:28} {calls:5} {density.median(cost.cores_per_call):10.3f} "
            f"{density.median(cost.mib_per_call):9.0f} "
            f"{density.median(cost.first_sound_s):.2f} s, {cost.unanswered}"
        )


async def _settle() -> None:
    with tempfile.TemporaryDirectory() as folder:
        started = Stack.start(
            data_dir=Path(folder),
            environment=os.environ,
            only=("postgres", "migrate", "web"),
            log=progress,
        )
        async with started as stack, noop_server() as noop_port:
            rows = await settle.run(stack, noop_port)
            database_ms = await settle.database_ms_per_second(stack.database_url)
    naive = rows[0].calls_held
    print(f"\n{'settles':42} {'requests/s':>10} {'calls held':>10} {'x naive':>8} p50/p99 ms")
    for row in rows:
        print(
            f"{row.name:42} {row.per_second:10,.0f} {row.calls_held:10,.0f} "
            f"{row.calls_held / naive:8.1f} {row.p50_ms:.1f}/{row.p99_ms:.1f}"
        )
    print(f"one second of {settle.CALLS:,} calls at S=10: {database_ms:.1f} ms of database time")
