"""python -m local load: many simulated callers, with a report of times and of money (make load)."""

import argparse
import asyncio
import math
import os
import tempfile
from pathlib import Path

from local.call_plan import CallPlan, usual_lines
from local.call_result import CallResult
from local.caller import SimulatedCaller
from local.ledger_check import check_ledger
from local.options import log_to_file, progress
from local.stack import Stack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--callers", type=int, default=8, help="at the same time")
    parser.add_argument("--seconds", type=float, default=20.0, help="of talk, each")
    parser.add_argument("--arrival", type=float, default=1.0, help="seconds between two callers")


async def run(options: argparse.Namespace) -> int:
    log_to_file()
    with tempfile.TemporaryDirectory() as folder:
        started = Stack.start(data_dir=Path(folder), environment=os.environ, log=progress)
        async with started as stack:
            results = await _call_all(stack, options)
            faults = await _ledger_faults(stack, results)
    _print(results)
    print("\n".join(faults) if faults else "every bill is right")
    unanswered = [r for r in results if r.refused_status is None and not r.answered]
    return 1 if faults or unanswered else 0


async def _call_all(stack: Stack, options: argparse.Namespace) -> list[CallResult]:
    async def one(number: int) -> CallResult:
        await asyncio.sleep(number * options.arrival)
        caller = SimulatedCaller(stack.control_plane_url)
        try:
            return await caller.place(CallPlan(lines=usual_lines(), seconds=options.seconds))
        finally:
            await caller.close()

    return list(await asyncio.gather(*(one(n) for n in range(options.callers))))


async def _ledger_faults(stack: Stack, results: list[CallResult]) -> list[str]:
    """What is wrong with the bills: against the tables, and against the callers' stopwatches."""
    faults = []
    for result in results:
        if not result.answered or result.call_id is None:
            continue
        check = await check_ledger(stack.database_url, result.call_id)
        faults += [f"{result.call_id}: {fault}" for fault in check.faults]
        if check.seconds > math.ceil(result.talked_s) or check.seconds < result.talked_s - 1:
            talked = f"{result.talked_s:.2f}"
            faults.append(f"{result.call_id}: billed {check.seconds} s for {talked} s")
    return faults


def _print(results: list[CallResult]) -> None:
    refused = sum(r.refused_status is not None for r in results)
    answered = [r for r in results if r.answered]
    latencies = [t.latency_s for r in answered for t in r.turns if t.latency_s is not None]
    first = [r.first_sound_s for r in answered if r.first_sound_s is not None]
    differences = [r.difference_s for r in answered if r.difference_s is not None]
    print(f"\ncallers {len(results)}: answered {len(answered)}, refused {refused}")
    print(f"click to first sound   {_spread(first)}")
    print(f"our words to answer    {_spread(latencies)}")
    print(f"bill minus stopwatch   {_spread(differences)}")


def _spread(values: list[float]) -> str:
    """Median, p95 and maximum in seconds."""
    if not values:
        return "no value"
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return f"median {ordered[len(ordered) // 2]:.2f} s, p95 {p95:.2f} s, worst {ordered[-1]:.2f} s"
