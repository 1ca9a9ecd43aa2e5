"""Token buckets on real Redis: over processes, in one round trip, without personal data."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from control_plane.limits.bucket import Bucket, TooManyRequests
from control_plane.limits.ratelimit import RateLimiter
from tests.integration.limits_rig import CLOCK, bucket, limits_redis, until


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with limits_redis(redis_url) as client:
        yield client


@pytest_asyncio.fixture
async def limiter(redis: Redis) -> AsyncIterator[RateLimiter]:
    limiter = RateLimiter(redis, CLOCK)
    yield limiter
    await limiter.close()


async def granted(limiter: RateLimiter, *buckets: Bucket, times: int) -> int:
    """How many of `times` requests at once are let through."""
    outcomes = await asyncio.gather(
        *(limiter.take(*buckets) for _ in range(times)), return_exceptions=True
    )
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, TooManyRequests):
            raise outcome
    return sum(not isinstance(outcome, BaseException) for outcome in outcomes)


async def test_a_bucket_counts_down_and_then_refuses(limiter: RateLimiter) -> None:
    one = bucket(capacity=3, per_minute=6)
    began = CLOCK.now()

    left = [(await limiter.take(one)).remaining for _ in range(3)]
    with pytest.raises(TooManyRequests) as refused:
        await limiter.take(one)

    assert left == [2, 1, 0]
    assert refused.value.retry_after_s in {9, 10}
    told = refused.value.allowance
    assert (told.limit, told.remaining, told.window_s) == (3, 0, 30)
    assert 29 < (told.reset_at - began).total_seconds() < 31


async def test_a_token_comes_back_after_its_interval(limiter: RateLimiter) -> None:
    one = bucket(capacity=2, per_minute=600)  # one every 100 ms
    await limiter.take(one)
    await limiter.take(one)
    with pytest.raises(TooManyRequests):
        await limiter.take(one)

    began = CLOCK.monotonic()
    while True:
        try:
            await limiter.take(one)
            break
        except TooManyRequests:
            assert CLOCK.monotonic() - began < 5
            await asyncio.sleep(0.01)

    assert CLOCK.monotonic() - began > 0.02
    assert await granted(limiter, one, times=5) <= 1


async def test_a_thousand_clients_at_two_processes_get_what_one_bucket_holds(
    limiter: RateLimiter, redis_url: str
) -> None:
    async with limits_redis(redis_url) as client:
        other = RateLimiter(client, CLOCK)
        one = bucket(capacity=60, per_minute=1)

        passed = await asyncio.gather(
            granted(limiter, one, times=500), granted(other, one, times=500)
        )

        await other.close()
    assert sum(passed) == 60


async def test_several_buckets_are_taken_from_all_or_none(limiter: RateLimiter) -> None:
    key, account = bucket("key", capacity=5), bucket("account", capacity=2)

    await limiter.take(key, account)
    await limiter.take(key, account)
    with pytest.raises(TooManyRequests) as refused:
        await limiter.take(key, account)

    assert refused.value.allowance.name == "account"
    assert (await limiter.take(key)).remaining == 2


async def test_the_bucket_nearest_to_its_end_is_told(limiter: RateLimiter) -> None:
    key, account = bucket("key", capacity=5), bucket("account", capacity=90)
    told = await limiter.take(key, account)
    assert (told.name, told.limit, told.remaining) == ("key", 5, 4)


async def test_requests_at_once_share_round_trips(limiter: RateLimiter, redis: Redis) -> None:
    one = bucket(capacity=300)
    await limiter.take(one)  # the script is loaded, the connection made
    before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]

    await granted(limiter, one, times=256)

    after = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    assert after - before <= 4


async def test_buckets_vanish_by_themselves(limiter: RateLimiter, redis: Redis) -> None:
    one = bucket(capacity=1, per_minute=600)
    await limiter.take(one)
    left_ms = await redis.pttl(one.key(b""))
    assert 0 < left_ms <= 101


async def test_nothing_personal_is_written_to_redis(redis: Redis) -> None:
    limiter = RateLimiter(redis, CLOCK, pepper=b"secret")
    one = Bucket("sign_up", "203.0.113.77", 5, 5)

    await limiter.take(one)

    keys = [key async for key in redis.scan_iter("limits:sign_up:*")]
    assert len(keys) == 1
    assert b"203" not in keys[0].replace(keys[0].split(b":")[-1], b"")
    assert keys[0].decode() == one.key(b"secret") != one.key(b"another")
    await redis.delete(*keys)
    await limiter.close()


async def test_a_server_that_forgot_the_script_is_told_it_again(
    limiter: RateLimiter, redis: Redis
) -> None:
    one = bucket()
    await limiter.take(one)
    await redis.script_flush()
    assert (await limiter.take(one)).remaining == 8


async def test_a_cancelled_request_harms_nobody_in_its_batch(limiter: RateLimiter) -> None:
    one = bucket(capacity=20)
    tasks = [asyncio.create_task(limiter.take(one)) for _ in range(10)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()

    await asyncio.gather(*tasks, return_exceptions=True)

    assert [task.cancelled() for task in tasks] == [True, False] * 5
    assert (await limiter.take(one)).remaining in range(9, 15)
    await until(lambda: limiter._sender is None)
