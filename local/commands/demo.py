"""python -m local demo (`make call`): a stack, a call, its bill checked, and everything stopped."""

import argparse
import os

from local.call_plan import DEFAULT_SECONDS, CallPlan, usual_lines
from local.call_result import CallResult
from local.caller import SimulatedCaller
from local.console import CallConsole
from local.ledger_check import LedgerCheck, check_ledger
from local.options import data_dir, log_to_file, progress
from local.ports import ports_from_environment
from local.stack import Stack
from shared.clock import SystemClock

DIFFERENCE_MAX_S = 1.0  # between the bill and our own stopwatch
MICRO = 1_000_000  # micro-credits in a credit
_CLOCK = SystemClock()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seconds", type=float, default=DEFAULT_SECONDS, help="how long to talk (default 20)"
    )


async def run(options: argparse.Namespace) -> int:
    log_to_file()
    began_s = _CLOCK.monotonic()
    started = Stack.start(
        data_dir=data_dir(), ports=ports_from_environment(os.environ), log=progress
    )
    async with started as stack:
        progress(f"stack ready in {_CLOCK.monotonic() - began_s:.1f} s; calling the agent")
        console = CallConsole()
        result = await _place_call(stack, console, options.seconds)
        faults = _faults_of_call(result, console)
        if result.call_id and result.settled:
            ledger = await check_ledger(stack.database_url, result.call_id)
            _print_settlement(result, ledger)
            faults += ledger.faults
        progress("stopping the stack")
    for fault in faults:
        print(f"NOT RIGHT: {fault}")
    if not faults:
        print("The call was answered, heard, metered and settled exactly.")
    return 1 if faults else 0


async def _place_call(stack: Stack, console: CallConsole, seconds: float) -> CallResult:
    caller = SimulatedCaller(stack.control_plane_url, listener=console)
    try:
        await console.follow(caller)
        return await caller.place(CallPlan(lines=usual_lines(), seconds=seconds))
    finally:
        console.close()
        await caller.close()


def _faults_of_call(result: CallResult, console: CallConsole) -> tuple[str, ...]:
    """What a caller would complain about."""
    difference_s = result.difference_s
    found = {
        f"the call was refused: {result.refused_words}": result.refused_words is not None,
        "nobody answered": not result.answered,
        "the agent did not hear us": not result.agent_heard_us,
        "the meter was never shown": console.meter_lines == 0,
        "the call was not settled": not result.settled,
        f"the bill is {difference_s} s away from our stopwatch": difference_s is not None
        and abs(difference_s) > DIFFERENCE_MAX_S,
    }
    return tuple(words for words, wrong in found.items() if wrong)


def _print_settlement(result: CallResult, ledger: LedgerCheck) -> None:
    print(
        f"\nSettlement of call {result.call_id} ({result.end_reason})\n"
        f"  billed                 {result.billed_s} s\n"
        f"  our own stopwatch      {result.talked_s:.2f} s from the first paid sound to the end\n"
        f"  difference             {result.difference_s or 0:+.2f} s\n"
        f"  credits used           {result.credits_used or 0:,.2f}\n"
        f"  first sound after      {result.first_sound_s or 0:.2f} s from the click\n"
        f"Ledger check\n"
        f"  segments               {ledger.segments}, {ledger.seconds} s, "
        f"{ledger.cost / MICRO:,.2f} credits\n"
        f"  debits                 {', '.join(f'{a / MICRO:,.2f}' for a in ledger.debits)}\n"
        f"  balance, held          {ledger.balance / MICRO:,.2f}, {ledger.reserved / MICRO:,.2f}\n"
        f"  invariant violations   {len(ledger.violations)}"
    )
