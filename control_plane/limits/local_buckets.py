"""The same buckets in this process alone, for while Redis is gone."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from control_plane.limits.bucket import US, Bucket, Level
from shared.clock import Clock

BUCKETS_MAX: Final = 20_000  # some 4 MB; who was not seen for longest starts with a full bucket


class LocalBuckets:
    """Bounded; forgets the bucket that was used longest ago."""

    def __init__(self, clock: Clock, *, buckets_max: int = BUCKETS_MAX) -> None:
        self._clock = clock
        self._buckets_max = buckets_max
        self._full_at_us: OrderedDict[tuple[str, str], int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at_us)

    def take(self, buckets: Sequence[Bucket]) -> tuple[bool, list[Level]]:
        """One token from each or from none; whether they were taken, and what is left."""
        now_us = int(self._clock.monotonic() * US)
        levels = [
            Level.of(full_in_us=max(0, self._full_at(bucket, now_us) - now_us), bucket=bucket)
            for bucket in buckets
        ]
        if any(level.wait_us for level in levels):
            return False, levels
        return True, [
            self._put(bucket, level.full_in_us + bucket.interval_us, now_us)
            for bucket, level in zip(buckets, levels, strict=True)
        ]

    def _full_at(self, bucket: Bucket, now_us: int) -> int:
        return self._full_at_us.get((bucket.name, bucket.subject), now_us)

    def _put(self, bucket: Bucket, full_in_us: int, now_us: int) -> Level:
        place = (bucket.name, bucket.subject)
        self._full_at_us[place] = now_us + full_in_us
        self._full_at_us.move_to_end(place)
        if len(self._full_at_us) > self._buckets_max:
            self._full_at_us.popitem(last=False)
        return Level.of(full_in_us=full_in_us, bucket=bucket)
