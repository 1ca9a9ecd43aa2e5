"""The circuit breaker, moved by hand through its states."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from control_plane.tts.breaker import Breaker


@dataclass
class HandClock:
    seconds: float = 1_000.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def breaker(clock: HandClock) -> Breaker:
    return Breaker(clock, failures_max=3, open_s=10, probe_s=60)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        assert breaker.admit()
        breaker.failed()


def test_some_failures_are_forgiven(breaker: Breaker) -> None:
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)
    assert breaker.admit()
    assert breaker.wait_s() == 0


def test_after_too_many_in_a_row_nobody_is_let_through(breaker: Breaker, clock: HandClock) -> None:
    fail(breaker, 3)
    assert not breaker.admit()
    clock.seconds += 4
    assert not breaker.admit()
    assert breaker.wait_s() == 6


def test_later_one_looks_and_the_others_wait(breaker: Breaker, clock: HandClock) -> None:
    fail(breaker, 3)
    clock.seconds += 10
    assert [breaker.admit() for _ in range(3)] == [True, False, False]


def test_a_probe_that_succeeds_closes_it(breaker: Breaker, clock: HandClock) -> None:
    fail(breaker, 3)
    clock.seconds += 10
    assert breaker.admit()
    breaker.succeeded()
    assert [breaker.admit() for _ in range(3)] == [True, True, True]


def test_a_probe_that_fails_opens_it_again(breaker: Breaker, clock: HandClock) -> None:
    fail(breaker, 3)
    clock.seconds += 10
    fail(breaker, 1)
    clock.seconds += 9
    assert not breaker.admit()
    clock.seconds += 1
    assert breaker.admit()


def test_a_cancelled_probe_leaves_the_turn_to_the_next(breaker: Breaker, clock: HandClock) -> None:
    fail(breaker, 3)
    clock.seconds += 10
    assert breaker.admit()
    breaker.abandoned()
    assert breaker.admit()
    assert not breaker.admit()


def test_a_probe_nobody_tells_the_end_of_is_forgotten(breaker: Breaker, clock: HandClock) -> None:
    fail(breaker, 3)
    clock.seconds += 10
    assert breaker.admit()
    clock.seconds += 60
    assert breaker.admit()


def test_one_that_was_cancelled_before_does_not_cut_the_rest(
    breaker: Breaker, clock: HandClock
) -> None:
    assert breaker.admit()  # still under way when the others fail
    fail(breaker, 3)
    breaker.abandoned()
    assert not breaker.admit()
