"""kill -9 of the agent: one cell, the whole worker, and a machine that is lost with its journal."""

import asyncio
import math
import os
import signal
import time
from collections.abc import Callable

import pytest

from local.api_client import ApiRefused
from local.caller import SimulatedCaller
from local.stack import Stack
from tests.e2e.agent_group import journals, media_processes
from tests.e2e.ledger import billed_between, call_row, settled_exactly
from tests.e2e.rough_stack import readiness
from tests.e2e.talk import HELLO, Talk, lasting, talk

SETTLE_EVERY_S = 10  # what is not in a journal is lost since the last report
ON_THE_WAY_S = 1.5  # of a report, on two busy cores
NO_HEARTBEAT_S = 15  # until a dead worker's slots are offered no more


async def test_a_killed_cell_ends_its_own_calls_at_the_second_it_died(rough: Stack) -> None:
    async with talk(rough, lasting(14)) as ann, talk(rough, lasting(14)) as bob:
        await asyncio.gather(ann.heard(5.4), bob.heard(5))
        victim = media_processes(rough)[0]
        os.kill(victim, signal.SIGKILL)
        truths = {talk.call_id: talk.heard_s for talk in (ann, bob)}
        results = await asyncio.gather(ann.result(timeout_s=30), bob.result(timeout_s=30))
    ended = [result for result in results if result.end_reason == "agent_lost"]
    assert ended, "the cell held no call"
    for result in results:
        assert result.call_id
        if result not in ended:
            check = await settled_exactly(rough, result)
            print(f"other cell: truth {result.talked_s:.2f} s, billed {check.seconds} s")
            continue
        truth_s = truths[result.call_id]
        check = await billed_between(
            rough, result, at_least_s=truth_s - 1.3, at_most_s=math.floor(truth_s)
        )
        print(f"killed cell: truth {truth_s:.2f} s, billed {check.seconds} s, {result.notices}")
        assert result.ended_by == "agent"
        assert result.talked_s < truth_s + 3, "the caller was left alone in the room"
        assert (await call_row(rough, result.call_id))["closed_by"] == "journal"


async def test_calls_of_a_killed_worker_are_closed_from_its_journal(rough: Stack) -> None:
    async with talk(rough, HELLO) as ann:
        await ann.heard(6.5)
        rough.kill("agent")
        truth_s = ann.heard_s
        left_behind = journals(rough)
        assert left_behind
        await rough.start_process("agent")
        result = await ann.result(timeout_s=30)
    check = await billed_between(
        rough, result, at_least_s=truth_s - 1.3, at_most_s=math.floor(truth_s)
    )
    print(f"killed worker: truth {truth_s:.2f} s, billed {check.seconds} s")
    assert result.end_reason == "agent_lost"
    assert (await call_row(rough, ann.call_id))["closed_by"] == "journal"
    await until(lambda: not set(left_behind) & set(journals(rough)), "the journal to be removed")


async def test_a_lost_machine_costs_the_caller_nothing_it_did_not_hear(rough: Stack) -> None:
    async with talk(rough, HELLO) as ann:
        await ann.heard(SETTLE_EVERY_S + 3)
        rough.kill("agent")
        truth_s = ann.heard_s
        for journal in journals(rough):
            journal.unlink()
        await refused_without_capacity(rough)
        await caller_is_told(ann)
        result = await ann.result(timeout_s=50)
    check = await billed_between(
        rough,
        result,
        at_least_s=truth_s - SETTLE_EVERY_S - ON_THE_WAY_S,
        at_most_s=math.floor(truth_s),
    )
    print(f"lost machine: truth {truth_s:.2f} s, billed {check.seconds} s")
    assert result.end_reason == "agent_lost"
    assert (await call_row(rough, ann.call_id))["closed_by"] == "reaper"


async def caller_is_told(ann: Talk) -> None:
    words = await ann.noticed("agent_lost", timeout_s=45)
    assert words == "The agent was lost. Sorry."


async def refused_without_capacity(stack: Stack) -> None:
    """Nobody can answer: no token, told when to try again, and nothing held."""
    await no_slots_offered(stack)
    caller = SimulatedCaller(stack.control_plane_url)
    await caller.api.sign_in(caller.email)
    with pytest.raises(ApiRefused) as refused:
        await caller.api.call_token(instructions="", language="en", voice="Ara")
    assert refused.value.status == 503
    assert refused.value.message == "All agents are busy, please try again in a moment"
    assert refused.value.retry_after_s is not None
    assert 1 <= refused.value.retry_after_s <= 60
    assert (await caller.api.balance()).reserved == 0
    assert (await caller.api.request("GET", "/api/calls"))["totalCount"] == 0
    await caller.close()


async def no_slots_offered(stack: Stack) -> None:
    """Until the dead worker has missed enough heartbeats."""
    deadline = time.monotonic() + NO_HEARTBEAT_S
    while (health := await readiness(stack)) is None or health["agents"]["slots"] != 0:
        assert time.monotonic() < deadline, health
        await asyncio.sleep(0.2)


async def until(condition: Callable[[], bool], what: str, *, timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.1)
