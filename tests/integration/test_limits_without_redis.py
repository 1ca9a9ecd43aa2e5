"""
Redis dies, hangs and comes back, with requests in flight (decision 0007).

Nobody gets an error, nobody waits long, and the limits go on in each process.
"""

import asyncio
from pathlib import Path

import pytest

from control_plane.limits.bucket import TooManyRequests
from control_plane.limits.ratelimit import RateLimiter
from control_plane.limits.redis_line import PAUSE_S
from tests.integration.limits_rig import CLOCK, bucket, limits_redis, mortal_redis, redis_by_cable


async def waited_s(limiter: RateLimiter) -> float:
    began = CLOCK.monotonic()
    await limiter.take(bucket())
    return CLOCK.monotonic() - began


async def until_back(limiter: RateLimiter) -> None:
    assert limiter._line
    async with asyncio.timeout(10):
        while not limiter._line.is_up:
            await asyncio.sleep(0.02)


async def test_without_redis_the_limits_count_in_this_process() -> None:
    limiter, one = RateLimiter(None, CLOCK), bucket(capacity=2, per_minute=6)
    left = [(await limiter.take(one)).remaining for _ in range(2)]
    with pytest.raises(TooManyRequests) as refused:
        await limiter.take(one)
    assert left == [1, 0]
    assert refused.value.retry_after_s in {9, 10}


async def test_redis_is_killed_with_requests_in_flight_and_comes_back(tmp_path: Path) -> None:
    async with mortal_redis(tmp_path) as server, limits_redis(server.url) as client:
        limiter, one = RateLimiter(client, CLOCK), bucket(capacity=1_000, per_minute=1)
        over = asyncio.Event()
        outcomes: list[float] = []

        async def ask() -> None:
            while not over.is_set():
                began = CLOCK.monotonic()
                await limiter.take(bucket())
                outcomes.append(CLOCK.monotonic() - began)
                await asyncio.sleep(0)  # a decision in the process waits for nothing

        asking = [asyncio.create_task(ask()) for _ in range(20)]
        await limiter.take(one)
        while len(outcomes) < 200:
            await asyncio.sleep(0.01)
        await server.kill()
        killed_at = len(outcomes)
        while len(outcomes) < killed_at + 200:
            await asyncio.sleep(0.01)
        assert limiter._line
        assert not limiter._line.is_up
        await server.start()
        await until_back(limiter)
        over.set()
        await asyncio.gather(*asking)

        assert max(outcomes) < 1.0, "nobody waits for a dead server"
        assert (await limiter.take(one)).remaining == 999, "the new server counts, from the start"
        await limiter.close()


async def test_a_server_that_hangs_costs_one_short_wait(redis_url: str) -> None:
    async with redis_by_cable(redis_url) as (client, cable):
        limiter = RateLimiter(client, CLOCK)
        await limiter.take(bucket())
        cable.frozen = True

        first_s = await waited_s(limiter)
        others_s = [await waited_s(limiter) for _ in range(1_000)]

        assert 0.04 < first_s < 0.5
        assert sorted(others_s)[990] < 0.002
        assert sum(others_s) < PAUSE_S
        cable.frozen = False
        await until_back(limiter)
        await limiter.close()


async def test_a_server_that_hangs_while_we_connect_costs_one_short_wait(redis_url: str) -> None:
    """The client swallows cancellations then, and would wait for its own time-out."""
    async with redis_by_cable(redis_url) as (client, cable):
        cable.frozen = True
        limiter = RateLimiter(client, CLOCK)
        assert await waited_s(limiter) < 0.5
        assert await waited_s(limiter) < 0.01
        cable.frozen = False
        await until_back(limiter)
        await limiter.close()


async def test_while_it_is_gone_only_one_probe_a_pause_goes_out(redis_url: str) -> None:
    async with redis_by_cable(redis_url) as (client, cable):
        limiter = RateLimiter(client, CLOCK)
        await limiter.take(bucket())
        await cable.cut()
        await limiter.take(bucket())
        assert limiter._line

        began = CLOCK.monotonic()
        probes = set()
        while CLOCK.monotonic() - began < 2.5 * PAUSE_S:
            await limiter.take(bucket())
            if limiter._line._probe:
                probes.add(limiter._line._probe)
            await asyncio.sleep(0.001)

        assert 1 <= len(probes) <= 3
        await limiter.close()


async def test_a_late_loop_of_ours_is_not_a_dead_redis(redis_url: str) -> None:
    async with limits_redis(redis_url) as client:
        limiter = RateLimiter(client, CLOCK)
        assert limiter._line
        for _ in range(3):
            asking = [asyncio.create_task(limiter.take(bucket())) for _ in range(50)]
            for _ in range(40):  # passes that take 20 ms each
                await asyncio.sleep(0)
                blocked_until = CLOCK.monotonic() + 0.02
                while CLOCK.monotonic() < blocked_until:
                    pass
            await asyncio.gather(*asking)
            assert limiter._line.is_up
        await limiter.close()


async def test_an_error_of_redis_is_no_error_of_ours(redis_url: str) -> None:
    """Out of memory, read only, still loading: whatever it says, it did not decide."""
    async with limits_redis(redis_url) as client:
        limiter, one = RateLimiter(client, CLOCK), bucket(capacity=3)
        await client.lpush(one.key(b""), "not a number")
        assert (await limiter.take(one)).remaining == 2
        await client.delete(one.key(b""))
        await limiter.close()
