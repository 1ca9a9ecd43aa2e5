"""
What to do with a call nobody reports on. Pure: a call and the evidence in, a verdict out.

Evidence has three values. An error while looking is UNKNOWN, never ABSENT: a monitor that takes a
timeout for absence ends every call of a healthy node. The reaper decides only WHEN a call closes;
it bills what was settled before and nothing more, so being late or wrong costs no caller.
"""

from dataclasses import dataclass
from enum import StrEnum

from billing.store.stale import StaleCall
from shared.end_reasons import EndReason

SETTLE_PERIOD_S = 10  # how often a healthy agent reports
STALE_AFTER_S = SETTLE_PERIOD_S + 10.0  # one lost report is not yet silence
REDISPATCH_AFTER_S = 5.0  # an agent answers within a second; a caller waits no longer than this
GIVE_UP_AFTER_S = 15.0  # no agent after the second dispatch either
# From the caller's coming to the first second: what must be said, twice if need be, a question and
# its answer, and the greeting. The agent has a limit for each; this is for one that is stuck.
OPENING_MAX_S = 150.0
OUT_OF_GRANT_GRACE_S = 30.0  # an agent out of reach may run to the end of its grant
UNKNOWN_GRACE_S = 600.0  # then we stop looking, in the caller's favour


class Evidence(StrEnum):
    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sighting:
    """Who is in the room of a call, as LiveKit answers now."""

    caller: Evidence
    agent: Evidence


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again later."""


@dataclass(frozen=True, slots=True)
class Redispatch:
    """Ask for an agent once more."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close at the settled watermark, and send away whoever is in the room."""

    reason: EndReason


Verdict = Wait | Redispatch | Close

UNSEEN = Sighting(Evidence.UNKNOWN, Evidence.UNKNOWN)


def needs_sighting(call: StaleCall) -> bool:
    """Unanswered calls are judged by age alone; only for answered ones LiveKit is asked."""
    return call.answered


def judge(call: StaleCall, seen: Sighting = UNSEEN, *, join_limit_s: float) -> Verdict:
    """The verdict on one open call. `join_limit_s`: how long its agent waits for the caller."""
    if not call.answered:
        return _judge_unanswered(call)
    if call.state == "authorized":
        return _judge_waiting(call, seen, join_limit_s)
    return _judge_active(call, seen)


def _judge_unanswered(call: StaleCall) -> Verdict:
    if call.age_s >= GIVE_UP_AFTER_S:
        return Close(EndReason.AGENT_NEVER_JOINED)
    if call.age_s >= REDISPATCH_AFTER_S and call.redispatches == 0:
        return Redispatch()
    return Wait()


def _judge_waiting(call: StaleCall, seen: Sighting, join_limit_s: float) -> Verdict:
    """An agent took it and the clock has not begun: nothing is billed either way."""
    if call.age_s >= join_limit_s + OPENING_MAX_S:
        return Close(EndReason.CALLER_NEVER_JOINED)
    agent_is_gone = seen.agent is Evidence.ABSENT and call.silent_s >= STALE_AFTER_S
    return Close(EndReason.AGENT_LOST) if agent_is_gone else Wait()


def _judge_active(call: StaleCall, seen: Sighting) -> Verdict:
    if call.silent_s < STALE_AFTER_S:
        return Wait()
    if seen.agent is Evidence.ABSENT:
        return Close(EndReason.AGENT_LOST)
    # An agent that is there, or may be, can still report up to the end of its grant.
    grant_left_s = call.granted - call.seconds
    if seen.agent is Evidence.PRESENT:
        overdue = call.silent_s >= grant_left_s + OUT_OF_GRANT_GRACE_S
        return Close(EndReason.AGENT_LOST) if overdue else Wait()
    overdue = call.silent_s >= grant_left_s + UNKNOWN_GRACE_S
    return Close(EndReason.EVIDENCE_UNKNOWN) if overdue else Wait()
