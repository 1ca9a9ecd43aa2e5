"""The judge of `make chaos` is judged: each broken promise is found, and said in words."""

from collections import Counter
from typing import Any

import pytest

from local.call_result import CallResult
from local.chaos.media_report import AgentTrouble, Bill, MediaReport, TimedCall
from local.chaos.truth import Fate, TrueCall, compare
from shared.ids import new_uuid


def _judged(fate: Fate, billed: int, unbelieved: int = 0, **changes: Any) -> list[str]:
    """A call of 30.4 s with a grant of 120, billed like this: what is wrong with it."""
    values: dict[str, Any] = {"used_s": 30.4, "granted_seconds": 120}
    call = TrueCall(id=new_uuid(), user=new_uuid(), fate=fate, **values | changes)
    return compare([call], {call.id: billed}, {call.id: unbelieved}).broken


@pytest.mark.parametrize(
    ("fate", "billed", "changes"),
    [
        (Fate.CLEAN, 31, {}),
        (Fate.CELL_KILLED, 30, {}),
        (Fate.GROUP_KILLED, 30, {}),
        (Fate.MACHINE_LOST, 20, {"confirmed": 20, "unsettled_max_s": 11.0}),
        (Fate.TAKEN_OVER, 5, {"confirmed": 5}),
        (Fate.NEVER_STARTED, 0, {"used_s": 0.0}),
    ],
)
def test_kept_promises_are_not_complained_about(
    fate: Fate, billed: int, changes: dict[str, Any]
) -> None:
    assert _judged(fate, billed, **changes) == []


@pytest.mark.parametrize(
    ("fate", "billed", "changes", "words"),
    [
        (Fate.CLEAN, 32, {}, "billed 32 s for 30.40 s"),
        (Fate.CLEAN, 30, {}, "instead of exactly 31"),
        (Fate.CELL_KILLED, 29, {}, "billed 29 s for 30.40 s"),
        (Fate.GROUP_KILLED, 29, {}, "billed 29 s for 30.40 s"),
        (Fate.MACHINE_LOST, 19, {"confirmed": 20}, "although 20 s were confirmed"),
        (Fate.MACHINE_LOST, 18, {"unsettled_max_s": 11.0}, "more than a period under"),
        (Fate.TAKEN_OVER, 32, {}, "billed 32 s for 30.40 s"),
        (Fate.NEVER_STARTED, 1, {"used_s": 0.0}, "billed 1 s for 0.00 s"),
    ],
)
def test_each_broken_promise_is_named(
    fate: Fate, billed: int, changes: dict[str, Any], words: str
) -> None:
    [found] = _judged(fate, billed, **changes)

    assert words in found


def test_seconds_nobody_believed_are_a_fate_of_their_own() -> None:
    assert _judged(Fate.CLEAN, 28, unbelieved=3) == []
    assert _judged(Fate.CLEAN, 27, unbelieved=3) != []


def _reported(bill: Bill, *deaths: tuple[float, str]) -> MediaReport:
    """A real call of 20.3 s that began at second 100 of our clock."""
    nothing: Counter[str] = Counter()
    report = MediaReport(nothing, nothing, nothing, AgentTrouble(deaths=list(deaths)))
    report.add(TimedCall(CallResult(talked_s=20.3), 100.0, 120.3), bill)
    return report


@pytest.mark.parametrize(
    ("bill", "is_right"),
    [
        (Bill(21, "caller_hangup", 121.0), True),
        (Bill(20, "caller_hangup", 121.0), True),
        (Bill(22, "caller_hangup", 121.0), False),
        (Bill(9, "agent_lost", 121.0), True),
        (Bill(8, "agent_lost", 121.0), False),
        (Bill(11, "agent_lost", 121.0), False),
        (Bill(2, "agent_lost", 121.0, epoch=2), True),
        (Bill(22, "agent_lost", 121.0, epoch=2), False),
    ],
)
def test_real_calls_are_held_to_their_promises(bill: Bill, is_right: bool) -> None:
    """Where the agent was lost, it died ten seconds into the call."""
    report = _reported(bill, (110.0, "cell"))

    assert (report.broken == []) is is_right, report.broken
