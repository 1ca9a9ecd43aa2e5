"""The limits of a web process, with a Redis client of their own."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from pydantic import SecretStr

from control_plane.limits.occupancy import Occupancy
from control_plane.limits.ratelimit import RateLimiter
from control_plane.limits.redis_line import open_limits_redis
from shared.clock import Clock


@asynccontextmanager
async def open_limits(
    clock: Clock, *, redis_url: SecretStr | None, secret: SecretStr
) -> AsyncIterator[tuple[RateLimiter, Occupancy]]:
    """`secret` is one that all web processes share. Nothing is connected yet."""
    pepper = hashlib.sha256(b"limits" + secret.get_secret_value().encode()).digest()
    async with AsyncExitStack() as stack:
        redis = None
        if redis_url is not None:
            redis = open_limits_redis(redis_url.get_secret_value())
            stack.push_async_callback(redis.aclose)
        limiter = RateLimiter(redis, clock, pepper=pepper)
        stack.push_async_callback(limiter.close)
        occupancy = Occupancy(redis, clock, pepper=pepper)
        stack.push_async_callback(occupancy.close)
        yield limiter, occupancy
