"""kill -9 of the agent: one cell, the whole worker, and a machine that is lost with its journal."""

import asyncio
import math
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from local.api_client import ApiRefused
from local.call_result import CallResult
from local.stack import Stack
from tests.e2e.agent_group import journals, media_processes
from tests.e2e.customer import ask, signed_in
from tests.e2e.ledger import billed_between, call_row, settled_exactly
from tests.e2e.rough_stack import mend, readiness
from tests.e2e.talk import HELLO, Talk, lasting, talk

pytestmark = pytest.mark.asyncio(loop_scope="module")

SORRY = "The agent was lost. Sorry."
SETTLE_EVERY_S = 10  # what is not in a journal is lost since the last report
ON_THE_WAY_S = 1.5  # of a report, on two busy cores
JOURNAL_S = 1.3  # the second that was not over yet, and the delivery of the first sound
NO_HEARTBEAT_S = 15  # until a dead worker's slots are offered no more
REAPED_WITHIN_S = 45
TOGETHER = 6  # three for each cell


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lost(rough_stack: Stack) -> AsyncIterator[tuple[Talk, float]]:
    """
    A call whose machine is gone: the worker killed, its journal deleted. And how long it lasted.

    The reaper takes half a minute to be sure; other tests go on meanwhile, with a new worker.
    """
    async with talk(rough_stack, HELLO) as ann:
        await ann.heard(SETTLE_EVERY_S + 1.5)
        rough_stack.kill("agent")
        truth_s = ann.heard_s
        for journal in journals(rough_stack):
            journal.unlink()
        yield ann, truth_s


async def test_without_an_agent_there_is_no_token_and_no_hold(
    lost: tuple[Talk, float], rough_stack: Stack
) -> None:
    await no_slots_offered(rough_stack)
    caller = await signed_in(rough_stack)
    with pytest.raises(ApiRefused) as refused:
        await ask(caller)
    assert refused.value.status == 503
    assert refused.value.message == "All agents are busy, please try again in a moment"
    assert refused.value.retry_after_s is not None
    assert 1 <= refused.value.retry_after_s <= 60
    assert (await caller.api.balance()).reserved == 0
    assert (await caller.api.request("GET", "/api/calls"))["totalCount"] == 0
    await caller.close()
    await mend(rough_stack)


async def test_a_killed_cell_ends_its_own_calls_at_the_second_it_died(rough: Stack) -> None:
    async with talk(rough, lasting(8.5)) as ann, talk(rough, lasting(8.5)) as bob:
        await asyncio.gather(ann.heard(5.5), bob.heard(5))
        os.kill(media_processes(rough)[0], signal.SIGKILL)
        truths = {talk.call_id: talk.heard_s for talk in (ann, bob)}
        results = await asyncio.gather(ann.result(timeout_s=30), bob.result(timeout_s=30))
    ended = [result for result in results if result.end_reason == "agent_lost"]
    assert ended, "the cell held no call"
    for result in results:
        if result in ended:
            assert result.call_id
            await closed_from_the_journal(rough, result, truths[result.call_id])
            assert result.talked_s < truths[result.call_id] + 5, "the caller was left alone"
            assert [notice.message for notice in result.notices] == [SORRY]
        else:
            await settled_exactly(rough, result)


async def test_calls_of_a_killed_worker_are_closed_from_its_journal(rough: Stack) -> None:
    async with talk(rough, HELLO) as ann:
        await ann.heard(4.5)
        rough.kill("agent")
        truth_s = ann.heard_s
        left_behind = journals(rough)
        assert left_behind
        await rough.start_process("agent")
        result = await ann.result(timeout_s=30)
    await closed_from_the_journal(rough, result, truth_s)
    await until(lambda: not set(left_behind) & set(journals(rough)), "the journal to be removed")


async def test_calls_that_come_together_to_a_fresh_worker_are_all_answered(rough: Stack) -> None:
    """The first ones of new processes, which load what they share at the same moment."""
    async with AsyncExitStack() as calls:
        talks = [
            await calls.enter_async_context(talk(rough, lasting(1.5))) for _ in range(TOGETHER)
        ]
        results = await asyncio.gather(*(call.result(timeout_s=60) for call in talks))
    assert [result.answered for result in results] == [True] * TOGETHER
    for result in results:
        await settled_exactly(rough, result)


async def test_a_lost_machine_costs_the_caller_nothing_it_did_not_hear(
    lost: tuple[Talk, float], rough: Stack
) -> None:
    ann, truth_s = lost
    result = await ann.result(timeout_s=REAPED_WITHIN_S)
    check = await billed_between(
        rough,
        result,
        at_least_s=truth_s - SETTLE_EVERY_S - ON_THE_WAY_S,
        at_most_s=math.floor(truth_s),
    )
    print(f"lost machine: truth {truth_s:.2f} s, billed {check.seconds} s")
    assert result.end_reason == "agent_lost"
    assert [notice.message for notice in result.notices] == [SORRY]
    assert (await call_row(rough, ann.call_id))["closed_by"] == "reaper"


async def closed_from_the_journal(stack: Stack, result: CallResult, truth_s: float) -> None:
    """Up to the second that was over when the process died, and not one more."""
    print(f"killed: truth {truth_s:.2f} s, billed {result.billed_s} s")
    assert (result.ended_by, result.end_reason) == ("agent", "agent_lost")
    await billed_between(
        stack, result, at_least_s=truth_s - JOURNAL_S, at_most_s=math.floor(truth_s)
    )
    assert result.call_id
    assert (await call_row(stack, result.call_id))["closed_by"] == "journal"


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
