"""The reaper's verdicts, one row each."""

import pytest

from billing.reaper import (
    OPENING_MAX_S,
    UNSEEN,
    Close,
    Evidence,
    Redispatch,
    Sighting,
    Verdict,
    Wait,
    judge,
)
from billing.store.stale import StaleCall
from shared.end_reasons import EndReason
from shared.ids import new_call_id

HERE, GONE, UNKNOWN = Evidence.PRESENT, Evidence.ABSENT, Evidence.UNKNOWN


def call(
    *,
    state: str = "active",
    age_s: float = 100,
    silent_s: float = 25,
    answered: bool = True,
    redispatches: int = 0,
    seconds: int = 50,
    granted: int = 120,
) -> StaleCall:
    return StaleCall(
        id=new_call_id(),
        state=state,
        seconds=seconds,
        granted=granted,
        redispatches=redispatches,
        answered=answered,
        room_name="ro-x",
        age_s=age_s,
        silent_s=silent_s,
    )


@pytest.mark.parametrize(
    ("stale", "seen", "verdict"),
    [
        # Nobody took the call.
        (call(answered=False, age_s=4), UNSEEN, Wait()),
        (call(answered=False, age_s=6), UNSEEN, Redispatch()),
        (call(answered=False, age_s=6, redispatches=1), UNSEEN, Wait()),
        (call(answered=False, age_s=16), UNSEEN, Close(EndReason.AGENT_NEVER_JOINED)),
        # An agent waits for the caller.
        (call(state="authorized", age_s=80), Sighting(GONE, HERE), Wait()),
        (call(state="authorized", age_s=80), UNSEEN, Wait()),
        (call(state="authorized", age_s=59 + OPENING_MAX_S), UNSEEN, Wait()),
        (
            call(state="authorized", age_s=61 + OPENING_MAX_S),
            UNSEEN,
            Close(EndReason.CALLER_NEVER_JOINED),
        ),
        (
            call(state="authorized", age_s=30),
            Sighting(HERE, GONE),
            Close(EndReason.AGENT_LOST),
        ),
        # The clock runs.
        (call(silent_s=19), Sighting(GONE, GONE), Wait()),
        (call(silent_s=21), Sighting(GONE, GONE), Close(EndReason.AGENT_LOST)),
        (call(silent_s=21), Sighting(HERE, GONE), Close(EndReason.AGENT_LOST)),
        (call(silent_s=99), Sighting(HERE, HERE), Wait()),
        (call(silent_s=101), Sighting(HERE, HERE), Close(EndReason.AGENT_LOST)),
        # An error is not an absence.
        (call(silent_s=600), UNSEEN, Wait()),
        (call(silent_s=671), UNSEEN, Close(EndReason.EVIDENCE_UNKNOWN)),
        (call(silent_s=600), Sighting(HERE, UNKNOWN), Wait()),
    ],
)
def test_verdict(stale: StaleCall, seen: Sighting, verdict: Verdict) -> None:
    assert judge(stale, seen, join_limit_s=60) == verdict


def test_a_caller_may_come_as_late_as_the_operator_says_and_still_hear_the_opening() -> None:
    """The agent waits up to ten minutes; the reaper took such calls after ninety seconds."""
    waiting = call(state="authorized", age_s=620)
    assert judge(waiting, Sighting(HERE, HERE), join_limit_s=600) == Wait()
    assert judge(waiting, Sighting(GONE, GONE), join_limit_s=600) == Close(EndReason.AGENT_LOST)
