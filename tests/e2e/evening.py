"""
One evening's calls on one stack: what happens in them. What must be true of them is in
test_call_turns.py, test_call_credit.py and test_call_lost.py.

`evening` is the fixture; it takes as long as the longest of them.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest_asyncio

from local.call_plan import CallPlan, Line
from local.call_result import CallResult
from local.caller import SimulatedCaller
from local.stack import Stack
from tests.e2e.customer import ask, settled, signed_in
from tests.e2e.handset import joined
from tests.e2e.ledger import leave_only, post_credit
from tests.e2e.side_by_side import Running, side_by_side
from tests.e2e.talk import HELLO, lasting, talk
from tests.e2e.vanishing_caller import vanishing

LINES = (
    Line.of("hello there"),
    Line.of("tell me a story"),
    Line.of("please stop talking", barge_in=True),
    Line.of("how does the billing work"),
)
TALKED_S = 23.5

CREDITS = 420  # 25.2 s at 1,000 credits a minute: nobody can buy the last fifth of a second
SECONDS = 25
TOP_UP = 3_000  # three minutes: no warning is due after it

AWAY_S = 3
UNSEEN_S = 20  # until the call of a caller who vanished is closed


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that is over. `truth_s`: how long caller and agent could talk with each other."""

    result: CallResult
    truth_s: float
    record: dict[str, Any]  # GET /api/calls/{id}
    last_heard_s: float = 0.0  # of the agent, after it was first heard
    receipt_text: str = ""


async def turns(stack: Stack) -> Ended:
    """A conversation with an interruption."""
    caller = await signed_in(stack)
    result = await caller.place(CallPlan(lines=LINES, seconds=TALKED_S))
    receipt = await caller.api.request("GET", f"/api/calls/{result.call_id}/receipt")
    record = await the_record(caller, result)
    return Ended(result, result.talked_s, record, receipt_text=json.dumps(receipt))


async def exact_balance(stack: Stack) -> Ended:
    """Credit for SECONDS, and a caller who would stay for ever."""
    caller = await signed_in(stack)
    await leave_only(stack, caller.api.user_id, CREDITS)
    async with talk(stack, HELLO, caller=caller) as ann:
        result = await ann.result(timeout_s=SECONDS + 30)
        first_s, last_s = ann.first_heard_at_s, ann.last_heard_at_s
        assert first_s, result
        assert last_s
        return Ended(result, result.talked_s, await the_record(caller, result), last_s - first_s)


async def topped_up(stack: Stack) -> Ended:
    """Credit for SECONDS, and more after the second warning."""
    caller = await signed_in(stack)
    await leave_only(stack, caller.api.user_id, CREDITS)
    async with talk(stack, lasting(SECONDS + 3.5), caller=caller) as bob:
        await bob.until(
            lambda: [n.kind for n in bob.so_far.notices].count("low_balance") == 2, timeout_s=30
        )
        await post_credit(stack, caller.api.user_id, TOP_UP)
        await bob.noticed("credit_added", timeout_s=5)
        result = await bob.result(timeout_s=SECONDS + 30)
        return Ended(result, result.talked_s, await the_record(caller, result))


async def vanished(stack: Stack) -> Ended:
    """kill -9 of the caller in mid-call."""
    caller = await signed_in(stack)
    token = await ask(caller)
    async with vanishing(token) as gone:
        truth_s = await gone.vanish_at(6.5)
    result = await settled(caller, token, within_s=UNSEEN_S)
    return Ended(result, truth_s, await the_record(caller, result))


async def came_back(stack: Stack) -> Ended:
    """kill -9 of the caller, who joins again with the same token a little later."""
    caller = await signed_in(stack)
    token = await ask(caller)
    async with vanishing(token) as gone:
        truth_s = await gone.vanish_at(5.5)
    await asyncio.sleep(AWAY_S)  # nothing to poll for: nobody may notice yet
    async with joined(token.url, token.access_token) as again:
        await again.open_microphone()
        back_at_s = time.monotonic()
        await again.until(lambda: again.agent is not None, "the agent, still in the room")
        await again.until(lambda: time.monotonic() - back_at_s >= 2, "the agent to listen again")
        await again.say("can you hear me")
        await again.until(lambda: again.first_heard_at_s is not None, "an answer")
        await again.until(lambda: time.monotonic() - back_at_s >= 6, "six seconds more")
    truth_s += time.monotonic() - back_at_s
    result = await settled(caller, token)
    return Ended(result, truth_s, await the_record(caller, result))


async def the_record(caller: SimulatedCaller, result: CallResult) -> dict[str, Any]:
    assert result.call_id, result
    record: dict[str, Any] = (await caller.api.call(result.call_id)).body
    await caller.close()
    return record


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def evening(rough_stack: Stack) -> AsyncIterator[Running]:
    scenarios = (turns, exact_balance, topped_up, vanished, came_back)
    async with side_by_side(rough_stack, *scenarios) as calls:
        yield calls
