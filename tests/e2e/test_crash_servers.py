"""Servers that stop or die in mid-call: calls go on, or end without a second too much."""

import asyncio
import math
import signal
import time

from local.stack import Stack
from tests.e2e.ledger import billed_between, settled_exactly
from tests.e2e.rough_stack import until_healthy
from tests.e2e.talk import HELLO, lasting, talk

WEB_AWAY_S = 20
MEDIA_GONE_WITHIN_S = 30  # the engine's attempts to reconnect, then the limit of the call


async def test_a_call_goes_on_while_the_control_plane_is_away(rough: Stack) -> None:
    async with talk(rough, lasting(WEB_AWAY_S + 8)) as ann:
        await ann.heard(3)
        await rough.stop_process("web")
        stopped = time.monotonic()
        await ann.until(lambda: time.monotonic() - stopped >= WEB_AWAY_S, timeout_s=WEB_AWAY_S + 5)
        assert [turn for turn in ann.so_far.turns if turn.latency_s is not None], "nobody answered"
        await rough.start_process("web")
        result = await ann.result(timeout_s=40)
    check = await settled_exactly(rough, result)
    print(f"web away {WEB_AWAY_S} s: truth {result.talked_s:.2f} s, billed {check.seconds} s")
    assert result.end_reason == "caller_hangup"


async def test_a_call_ended_while_the_control_plane_is_away_is_settled_later(rough: Stack) -> None:
    async with talk(rough, lasting(5)) as ann:
        await ann.heard(3)
        rough.kill("web")
        await asyncio.wait([ann.task], timeout=4)
        await rough.start_process("web")
        result = await ann.result(timeout_s=30)
    check = await settled_exactly(rough, result)
    print(f"ended without web: truth {result.talked_s:.2f} s, billed {check.seconds} s")
    assert result.end_reason == "caller_hangup"


async def test_calls_need_neither_redis_nor_the_jobs(rough: Stack) -> None:
    async with talk(rough, lasting(9)) as ann:
        await ann.heard(2)
        rough.kill("redis")
        rough.kill("jobs")
        async with talk(rough, lasting(4)) as bob:
            results = await asyncio.gather(bob.result(timeout_s=30), ann.result(timeout_s=30))
    for result in results:
        check = await settled_exactly(rough, result)
        print(f"no redis, no jobs: truth {result.talked_s:.2f} s, billed {check.seconds} s")
        assert result.end_reason == "caller_hangup"


async def test_a_call_goes_on_while_postgres_dies_and_comes_back(rough: Stack) -> None:
    async with talk(rough, lasting(14)) as ann:
        await ann.heard(3)
        rough.kill("postgres", signal.SIGQUIT)
        died = time.monotonic()
        await ann.until(lambda: time.monotonic() - died >= 3, timeout_s=5)
        await rough.start_process("postgres")
        result = await ann.result(timeout_s=40)
    check = await settled_exactly(rough, result)
    print(f"postgres killed: truth {result.talked_s:.2f} s, billed {check.seconds} s")
    assert result.end_reason == "caller_hangup"


async def test_calls_of_a_killed_media_server_are_closed_where_they_broke(rough: Stack) -> None:
    async with talk(rough, HELLO) as ann:
        await ann.heard(6.5)
        rough.kill("livekit")
        truth_s, killed = ann.heard_s, time.monotonic()
        result = await ann.result(timeout_s=MEDIA_GONE_WITHIN_S + 20)
        closed_s = time.monotonic() - killed
    print(f"livekit killed: truth {truth_s:.2f} s, billed {result.billed_s} s, {closed_s:.0f} s")
    check = await billed_between(
        rough, result, at_least_s=truth_s - 1.3, at_most_s=math.ceil(truth_s)
    )
    assert result.end_reason in {"media_lost", "caller_lost"}
    assert check.reserved == 0
    await rough.start_process("livekit")
    await until_healthy(rough)
    async with talk(rough, lasting(3)) as next_call:
        assert (await next_call.result(timeout_s=30)).answered
