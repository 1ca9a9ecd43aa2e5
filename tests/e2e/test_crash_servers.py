"""Servers that stop or die in mid-call: calls go on, or end without a second too much."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from local.call_result import CallResult
from local.stack import Stack
from tests.e2e.ledger import billed_between, call_row, settled_exactly
from tests.e2e.rough_stack import until_healthy
from tests.e2e.talk import HELLO, lasting, talk

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEB_AWAY_S = 20
LATE_S = 19.5  # who hangs up waits 15 s for the bill
MEDIA_GONE_WITHIN_S = 30  # the engine's attempts to reconnect, then the limit of the call


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outage(rough_stack: Stack) -> AsyncIterator[tuple[CallResult, CallResult]]:
    """A call that goes on while the control plane is away, and one that ends meanwhile."""
    async with (
        talk(rough_stack, lasting(WEB_AWAY_S + 5.5)) as ann,
        talk(rough_stack, lasting(LATE_S)) as bob,
    ):
        await asyncio.gather(ann.heard(2.5), bob.heard(2))
        await rough_stack.stop_process("web")
        stopped = time.monotonic()
        await ann.until(lambda: time.monotonic() - stopped >= WEB_AWAY_S, timeout_s=WEB_AWAY_S + 5)
        assert not bob.task.done(), "settled by nobody"
        await rough_stack.start_process("web")
        yield await ann.result(timeout_s=40), await bob.result(timeout_s=30)


async def test_a_call_goes_on_while_the_control_plane_is_away(
    outage: tuple[CallResult, CallResult], rough: Stack
) -> None:
    result, _ = outage
    print(f"web away: truth {result.talked_s:.2f} s, billed {result.billed_s} s")
    await settled_exactly(rough, result)
    assert result.end_reason == "caller_hangup"
    assert len([turn for turn in result.turns if turn.latency_s is not None]) >= 3


async def test_a_call_that_ends_while_the_control_plane_is_away_is_paid_to_its_end(
    outage: tuple[CallResult, CallResult], rough: Stack
) -> None:
    _, result = outage
    print(f"ended meanwhile: truth {result.talked_s:.2f} s, billed {result.billed_s} s")
    await settled_exactly(rough, result)
    assert result.end_reason == "caller_hangup"


async def test_calls_need_neither_redis_nor_the_jobs(rough: Stack) -> None:
    async with talk(rough, lasting(6.5)) as ann:
        await ann.heard(2)
        rough.kill("redis")
        rough.kill("jobs")
        async with talk(rough, lasting(2.5)) as bob:
            results = await asyncio.gather(bob.result(timeout_s=30), ann.result(timeout_s=30))
    for result in results:
        check = await settled_exactly(rough, result)
        print(f"no redis, no jobs: truth {result.talked_s:.2f} s, billed {check.seconds} s")
        assert result.end_reason == "caller_hangup"


async def test_a_call_goes_on_while_postgres_dies_and_comes_back(rough: Stack) -> None:
    async with talk(rough, lasting(10.5)) as ann:
        await ann.heard(3)
        rough.kill("postgres", signal.SIGQUIT)
        died = time.monotonic()
        await ann.until(lambda: time.monotonic() - died >= 2, timeout_s=5)
        await rough.start_process("postgres")
        result = await ann.result(timeout_s=40)
    check = await settled_exactly(rough, result)
    print(f"postgres killed: truth {result.talked_s:.2f} s, billed {check.seconds} s")
    assert result.end_reason == "caller_hangup"


async def test_calls_of_a_killed_media_server_are_closed_where_they_broke(rough: Stack) -> None:
    async with talk(rough, HELLO) as ann:
        await ann.heard(4.5)
        rough.kill("livekit")
        truth_s, killed = ann.heard_s, time.monotonic()
        await closed(rough, ann.call_id, within_s=MEDIA_GONE_WITHIN_S)
        closed_s = time.monotonic() - killed
        await rough.start_process("livekit")
        ann.caller.hang_up()
        result = await ann.result(timeout_s=20)
    print(f"livekit killed: truth {truth_s:.2f} s, billed {result.billed_s} s, {closed_s:.0f} s")
    await billed_between(rough, result, at_least_s=truth_s - 1.3, at_most_s=truth_s)
    assert result.end_reason in {"media_lost", "caller_lost"}
    await until_healthy(rough)
    async with talk(rough, lasting(1.5)) as next_call:
        assert (await next_call.result(timeout_s=30)).answered


async def closed(stack: Stack, call_id: str, *, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while (row := await call_row(stack, call_id))["state"] != "closed":
        assert time.monotonic() < deadline, dict(row)
        await asyncio.sleep(0.2)
