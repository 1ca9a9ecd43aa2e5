"""python -m local bench: our numbers beside their anchors, in one run."""

import argparse
import os
import tempfile
from pathlib import Path

from local.bench import settle
from local.bench.noop import noop_server
from local.options import progress
from local.stack import Stack

PARTS = ("settle",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", choices=PARTS, help="one part of it")


async def run(options: argparse.Namespace) -> int:
    parts = [options.only] if options.only else list(PARTS)
    if "settle" in parts:
        await _settle()
    return 0


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
