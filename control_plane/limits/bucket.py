"""
What a rate limit is, and what is left of it. Pure: no clock, no Redis.

A token bucket is kept as one number, the moment at which it will be full again. A request moves it
away by one interval, and is refused when it would be more than `capacity` intervals away.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from control_plane.errors import Throttled

US: Final = 1_000_000  # microseconds in a second: times are integers, also in Lua
RATE_MAX: Final = 1_000_000  # a minute; an interval is 60 us then, far from 0
SUBJECT_BYTES: Final = 16  # of the hash: no two of 2**32 subjects collide


@dataclass(frozen=True, slots=True)
class Bucket:
    """
    At most `capacity` requests at once, and `refill_per_minute` in the long run.

    `subject` may be anything, an address too: it is hashed before it leaves the process.
    """

    name: str
    subject: str
    capacity: int
    refill_per_minute: int

    def __post_init__(self) -> None:
        assert 0 < self.capacity <= RATE_MAX, "a limit of nothing is a closed route"
        assert 0 < self.refill_per_minute <= RATE_MAX, "it refills"

    @property
    def interval_us(self) -> int:
        """Microseconds until one more request is allowed."""
        return 60 * US // self.refill_per_minute

    def key(self, pepper: bytes) -> str:
        """Its name in Redis. `pepper` keeps addresses from being found by trying them all."""
        return f"limits:{self.name}:{hashed(self.subject, pepper)}"


@dataclass(frozen=True, slots=True)
class Level:
    """A bucket after a request; `wait_us` is how long until one more fits."""

    remaining: int
    full_in_us: int
    wait_us: int

    @classmethod
    def of(cls, *, full_in_us: int, bucket: Bucket) -> Self:
        every_us = bucket.interval_us
        free_us = bucket.capacity * every_us - full_in_us
        return cls(
            remaining=max(0, free_us // every_us),
            full_in_us=full_in_us,
            wait_us=max(0, every_us - free_us),
        )


@dataclass(frozen=True, slots=True)
class Allowance:
    """
    What a client is told: the bucket of a request that is nearest to its end.

    `reset_at` is when it is full again, `window_s` how long an empty one takes to fill.
    """

    name: str
    limit: int
    remaining: int
    reset_at: datetime
    reset_s: int
    window_s: int

    @classmethod
    def of(cls, bucket: Bucket, level: Level, *, now: datetime) -> Self:
        return cls(
            name=bucket.name,
            limit=bucket.capacity,
            remaining=level.remaining,
            reset_at=now + timedelta(microseconds=level.full_in_us),
            reset_s=math.ceil(level.full_in_us / US),
            window_s=math.ceil(bucket.capacity * bucket.interval_us / US),
        )


class TooManyRequests(Throttled):
    """Rate limit exceeded"""

    code = "rate_limit_exceeded"

    def __init__(self, allowance: Allowance, *, retry_after_s: int) -> None:
        super().__init__(retry_after_s=retry_after_s)
        self.allowance = allowance


def verdict(
    buckets: Sequence[Bucket], levels: Sequence[Level], *, granted: bool, now: datetime
) -> Allowance:
    """What is left where least is left. Raises TooManyRequests, about the longest wait."""
    pairs = list(zip(buckets, levels, strict=True))
    if granted:
        bucket, level = min(pairs, key=lambda pair: pair[1].remaining)
        return Allowance.of(bucket, level, now=now)
    bucket, level = max(pairs, key=lambda pair: pair[1].wait_us)
    raise TooManyRequests(
        Allowance.of(bucket, level, now=now), retry_after_s=max(1, math.ceil(level.wait_us / US))
    )


def hashed(subject: str, pepper: bytes) -> str:
    """Hex digits that say nothing about `subject` to who does not know `pepper`."""
    digest = hashlib.blake2b(subject.encode(), digest_size=SUBJECT_BYTES, key=pepper[:64])
    return digest.hexdigest()
