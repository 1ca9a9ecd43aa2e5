"""The arithmetic of buckets, and their bounds in a process."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.limits.bucket import US, Bucket, TooManyRequests, hashed, verdict
from control_plane.limits.local_buckets import LocalBuckets

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


class HandClock:
    def __init__(self) -> None:
        self.s = 1_000.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.s)

    def monotonic(self) -> float:
        return self.s


def took(buckets: LocalBuckets, *wanted: Bucket) -> bool:
    return buckets.take(wanted)[0]


def test_a_full_bucket_gives_its_capacity_and_then_its_refill() -> None:
    clock = HandClock()
    buckets, one = LocalBuckets(clock), Bucket("b", "s", 3, 60)
    assert [took(buckets, one) for _ in range(4)] == [True, True, True, False]
    clock.s += 1.001
    assert [took(buckets, one) for _ in range(2)] == [True, False]
    clock.s += 100
    assert [took(buckets, one) for _ in range(4)] == [True, True, True, False]


@given(
    capacity=st.integers(1, 50),
    per_minute=st.integers(1, 6_000),
    pauses_ms=st.lists(st.integers(0, 2_000), max_size=80),
)
def test_no_window_holds_more_than_capacity_and_refill(
    capacity: int, per_minute: int, pauses_ms: list[int]
) -> None:
    clock = HandClock()
    buckets, one = LocalBuckets(clock), Bucket("b", "s", capacity, per_minute)
    granted_at: list[float] = []
    for pause_ms in pauses_ms:
        clock.s += pause_ms / 1_000
        if took(buckets, one):
            granted_at.append(clock.s)
    for i, start in enumerate(granted_at):
        for j in range(i, len(granted_at)):
            refilled = (granted_at[j] - start + 0.001) * US / one.interval_us
            assert j - i + 1 <= capacity + refilled + 1e-6


def test_the_process_remembers_a_bounded_number_of_buckets() -> None:
    buckets = LocalBuckets(HandClock(), buckets_max=100)
    for number in range(1_000):
        buckets.take([Bucket("b", str(number), 1, 1)])
    assert len(buckets) == 100
    assert not took(buckets, Bucket("b", "999", 1, 1))
    assert took(buckets, Bucket("b", "0", 1, 1))


def test_a_refusal_is_about_the_longest_wait() -> None:
    clock = HandClock()
    buckets = LocalBuckets(clock)
    fast, slow = Bucket("fast", "s", 1, 60), Bucket("slow", "s", 1, 2)
    assert took(buckets, fast, slow)
    granted, levels = buckets.take([fast, slow])
    with pytest.raises(TooManyRequests) as refused:
        verdict([fast, slow], levels, granted=granted, now=NOW)
    assert refused.value.retry_after_s == 30
    assert refused.value.allowance.name == "slow"
    assert refused.value.allowance.reset_at == NOW + timedelta(seconds=30)


def test_a_hash_needs_the_pepper() -> None:
    assert hashed("203.0.113.9", b"one") != hashed("203.0.113.9", b"two")
    assert len(hashed("x", b"")) == 32
