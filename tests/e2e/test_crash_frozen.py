"""An agent that has capacity by its heartbeats and does not come, or stops in mid-call."""

import signal
import time

from local.stack import Stack
from tests.e2e.agent_group import signal_group
from tests.e2e.ledger import billed_between, call_row
from tests.e2e.rough_stack import until_healthy
from tests.e2e.talk import HELLO, lasting, talk
from tests.e2e.unpaid import costs_nothing

REDISPATCH_AFTER_S = 5
GIVE_UP_AFTER_S = 15
ROUND_S = 2  # the jobs look every second, on two busy cores


async def test_a_caller_whose_agent_does_not_come_is_told_and_pays_nothing(rough: Stack) -> None:
    signal_group(rough, signal.SIGSTOP)
    try:
        began = time.monotonic()
        async with talk(rough, HELLO) as ann:
            words = await ann.noticed("agent_late", timeout_s=REDISPATCH_AFTER_S + ROUND_S + 3)
            late_s = time.monotonic() - began
            assert words == "No one has picked up yet. Calling again."
            sorry = await ann.noticed("agent_lost", timeout_s=GIVE_UP_AFTER_S)
            result = await ann.result(timeout_s=10)
            given_up_s = time.monotonic() - began
            await costs_nothing(rough, ann.caller, ann.call_id)
    finally:
        signal_group(rough, signal.SIGCONT)
    print(f"never came: told after {late_s:.1f} s, given up after {given_up_s:.1f} s")
    assert late_s <= REDISPATCH_AFTER_S + ROUND_S
    assert given_up_s <= GIVE_UP_AFTER_S + 2 * ROUND_S
    assert sorry == "No agent came. Sorry."
    assert (result.status, result.end_reason) == ("expired", "agent_never_joined")
    assert (await call_row(rough, ann.call_id))["redispatches"] == 1
    # It comes back late: nobody is billed for a call that is over, and the next one is answered.
    await until_healthy(rough)
    async with talk(rough, lasting(1.5)) as next_call:
        assert (await next_call.result(timeout_s=30)).answered


async def test_seconds_in_which_the_agent_stood_still_are_not_billed(rough: Stack) -> None:
    async with talk(rough, HELLO) as ann:
        await ann.heard(3)
        signal_group(rough, signal.SIGSTOP)
        frozen_at_s, began = ann.heard_s, time.monotonic()
        await ann.until(lambda: time.monotonic() - began >= 4, timeout_s=10)
        signal_group(rough, signal.SIGCONT)
        frozen_s = time.monotonic() - began
        await ann.heard(frozen_at_s + frozen_s + 2)
        ann.caller.hang_up()
        result = await ann.result(timeout_s=20)
    alive_s = result.talked_s - frozen_s
    print(f"frozen {frozen_s:.1f} s: alive {alive_s:.2f} s, billed {result.billed_s} s")
    await billed_between(rough, result, at_least_s=alive_s - 3, at_most_s=alive_s + 1)
