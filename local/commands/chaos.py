"""python -m local chaos: kill everything, compare the books with the truth (make chaos)."""

import argparse
import logging
import os
import secrets
import tempfile
from collections import Counter
from pathlib import Path

from local.chaos import drop_storm
from local.chaos.fault_proxy import FaultProxy
from local.chaos.media_storm import MediaStorm
from local.chaos.saboteur import Saboteur
from local.chaos.settling import settle_times_s
from local.chaos.truth import Verdict
from local.chaos.virtual_storm import VirtualStorm
from local.options import progress
from local.stack import Stack
from shared.log import configure_logging

SECONDS_MAX = 900.0  # each part; the defaults needed 8.5 minutes at a load of 2 to 6
PARTS = ("postgres", "redis", "livekit", "migrate", "web", "jobs")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, help="replay the choices of an earlier run")
    parser.add_argument("--virtual-calls", type=int, default=10_000)
    parser.add_argument("--media-calls", type=int, default=100)
    parser.add_argument("--callers", type=int, default=6, help="media calls at the same time")
    parser.add_argument(
        "--voice-drops-every",
        type=float,
        metavar="S",
        help="only this: one call of --seconds whose voice provider drops every S seconds",
    )
    parser.add_argument(
        "--seconds", type=float, default=SECONDS_MAX, help="place no call after that, in each part"
    )


async def run(options: argparse.Namespace) -> int:
    configure_logging("chaos", json=False, level=logging.ERROR)
    logging.getLogger("livekit").setLevel(logging.CRITICAL)  # it reports every blow at length
    if options.voice_drops_every:
        return await _drops(options)
    seed = options.seed if options.seed is not None else secrets.randbelow(10**6)
    progress(f"chaos with seed {seed}")
    broken = await _virtual(seed, options) if options.virtual_calls else []
    if options.media_calls:
        broken += await _media(seed, options)
    print("books are right" if not broken else "\n".join(broken[:20]))
    print(f"replay with --seed {seed}")
    return 1 if broken else 0


async def _drops(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        started = Stack.start(data_dir=Path(folder), environment=os.environ, log=progress)
        async with started as stack:
            report = await drop_storm.run(
                stack, every_s=options.voice_drops_every, seconds=options.seconds, log=progress
            )
    print(f"talked           {report.talked_s:.1f} s")
    print(f"billed           {report.billed_s} s")
    print(f"free of charge   {report.free_s:.1f} s in {report.drops} gaps")
    print(f"longest gap      {report.longest_gap_s:.2f} s")
    print(f"answered         {report.answered} of {report.questions}, {report.misheard} misheard")
    print("nothing was lost" if not report.broken else "\n".join(report.broken))
    return 1 if report.broken else 0


async def _virtual(seed: int, options: argparse.Namespace) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        started = Stack.start(
            data_dir=Path(folder) / "stack", environment=os.environ, only=PARTS, log=progress
        )
        async with started as stack:
            storm = VirtualStorm(
                stack,
                Path(folder) / "journals",
                seed=seed,
                calls_total=options.virtual_calls,
                seconds_max=options.seconds,
                log=progress,
            )
            verdict, saboteur, proxy = await storm.run()
            times = await settle_times_s(stack.database_url, saboteur)
            _print_virtual(verdict, options.virtual_calls, saboteur, proxy, times)
            print(f"a second agent   {_counted(storm.rivals.done)}")
            print(f"no hold left     {storm.settled_in_s:.1f} s after the last call (real time)")
            print(f"deadlocks        {storm.deadlocks}")
            return verdict.broken


async def _media(seed: int, options: argparse.Namespace) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        started = Stack.start(data_dir=Path(folder), environment=os.environ, log=progress)
        async with started as stack:
            storm = MediaStorm(
                stack,
                seed=seed,
                calls_total=options.media_calls,
                callers=options.callers,
                seconds_max=options.seconds,
                log=progress,
            )
            report = await storm.run()
    print(f"\nmedia calls      {report.calls:,} answered of {options.media_calls:,} wanted")
    print(f"seconds heard    {report.talked_s:,.0f}")
    print(f"seconds billed   {report.billed_s:,}")
    print(f"worst over       {report.over_max_s:.2f} s")
    for reason, under_s in sorted(report.under_max_s.items()):
        print(
            f"  {reason:22} {report.reasons[reason]:4,} calls, worst under {under_s:.2f} s, "
            f"closed {report.settle_max_s[reason]:.1f} s after the end at most"
        )
    print(f"killed and so on {_counted(report.blows)}")
    print(f"webhooks         {_counted(report.post)}")
    print(f"turned away      {_counted(report.turned_away) or 'nobody'}")
    return report.broken


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{n:,} x {kind}" for kind, n in sorted(counts.items()))


def _print_virtual(
    verdict: Verdict, wanted: int, saboteur: Saboteur, proxy: FaultProxy, times: dict[str, float]
) -> None:
    print(f"\nvirtual calls    {verdict.calls:,} of {wanted:,} wanted")
    print(f"seconds spoken   {verdict.used_s:,.0f}")
    print(f"seconds billed   {verdict.billed_s:,}")
    print(f"worst over       {verdict.over_max_s:.2f} s")
    for fate, under_s in sorted(verdict.under_max_s.items()):
        count = verdict.fates[fate]
        print(f"  {fate:22} {count:6,} calls, worst under {under_s:.2f} s")
    print(f"killed           {_counted(saboteur.counts)}")
    print(f"network          {_counted(proxy.done)}")
    for kind, took_s in sorted(times.items()):
        print(f"settled after    {kind}: {took_s:.1f} s at most (real time)")
