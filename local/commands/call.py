"""python -m local call: one simulated call against the running stack."""

import argparse
import json
from pathlib import Path

from local.api_client import ApiRefused
from local.call_plan import DEFAULT_SECONDS, CallPlan, Line, usual_lines
from local.call_result import CallResult
from local.caller import SilentListener, SimulatedCaller
from local.console import CallConsole
from local.failure import CannotRun
from local.layout import Layout
from local.options import data_dir, log_to_file
from local.stack_file import read_stack_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seconds",
        type=float,
        default=DEFAULT_SECONDS,
        help="how long to talk once the agent was heard (default %(default)s)",
    )
    speech = parser.add_mutually_exclusive_group()
    speech.add_argument("--wav", type=Path, metavar="FILE", help="what to say, recorded (16 bits)")
    speech.add_argument("--say", metavar="TEXT", help="what to say, spoken by a robot")
    parser.add_argument("--email", help="whose account; default: somebody new")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


async def run(options: argparse.Namespace) -> int:
    log_to_file()
    url = read_stack_file(Layout.of(data_dir())).environment["CONTROL_PLANE_URL"]
    plan = CallPlan(lines=_lines(options), seconds=options.seconds)
    console = None if options.json else CallConsole()
    caller = SimulatedCaller(url, email=options.email, listener=console or SilentListener())
    try:
        if console:
            await console.follow(caller)
        result = await caller.place(plan)
    except ApiRefused as refused:
        raise CannotRun(f"Signing in at {url} failed ({refused}).") from refused
    finally:
        if console:
            console.close()
        await caller.close()
    _print(result, as_json=options.json)
    return 0 if result.answered and result.settled else 1


def _lines(options: argparse.Namespace) -> tuple[Line, ...]:
    if options.wav:
        return (Line.of_file(options.wav),)
    return (Line.of(options.say),) if options.say else usual_lines()


def _print(result: CallResult, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result.to_json(), indent=1))
    elif result.refused_words:
        print(f"The call was refused: {result.refused_words} (status {result.refused_status}).")
    elif not result.answered:
        print("Nobody answered.")
    else:
        print(
            f"Ended by {result.ended_by} ({result.end_reason}): billed {result.billed_s} s, "
            f"{result.credits_used or 0:,.2f} credits; heard for {result.talked_s:.2f} s."
        )
