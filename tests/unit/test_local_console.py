"""What the terminal shows of a call."""

from datetime import UTC, datetime

import pytest

from local.caller import SimulatedCaller
from local.console import CallConsole, credits_for
from shared.call_protocol import MeterMessage


class Clock:
    """Stands where it is put."""

    time_s = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.time_s


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def console(lines: list[str], clock: Clock) -> CallConsole:
    console = CallConsole(show=lines.append, clock=clock)
    caller = SimulatedCaller("http://127.0.0.1:1")
    caller.result.credits_per_minute = 1000
    console.watch(caller, balance=10_000)
    return console


def running(seconds: int, granted_seconds: int = 120) -> MeterMessage:
    return MeterMessage(
        state="running", seconds=seconds, granted_seconds=granted_seconds, final_unit=False
    )


@pytest.mark.parametrize(("seconds", "used"), [(0, 0), (1, 17), (7, 117), (60, 1000), (61, 1017)])
def test_credits_are_rounded_up_as_on_the_bill(seconds: int, used: int) -> None:
    assert credits_for(seconds, 1000) == used


def test_the_meter_counts_between_two_messages(
    console: CallConsole, lines: list[str], clock: Clock
) -> None:
    console.meter(running(6))
    clock.time_s = 1.2
    console.show_meter()
    console.show_meter()
    assert lines == [
        "00:06  100 credits used, 9,900 left",
        "00:07  117 credits used, 9,883 left",
    ]


def test_a_paused_meter_stands_still(console: CallConsole, lines: list[str], clock: Clock) -> None:
    console.meter(MeterMessage(state="paused", seconds=6, granted_seconds=120, final_unit=False))
    clock.time_s = 30
    console.show_meter()
    assert lines == ["00:06  100 credits used, 9,900 left"]


def test_the_meter_never_shows_more_than_what_was_granted(
    console: CallConsole, lines: list[str], clock: Clock
) -> None:
    console.meter(running(59, granted_seconds=60))
    clock.time_s = 30
    console.show_meter()
    assert lines[-1] == "01:00  1,000 credits used, 9,000 left"
