"""What really happened to each call, kept by who made it happen, held against the books."""

import math
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

ROUNDING_S = 1e-6


class Fate(StrEnum):
    """How a call ended, for real. Each has its own promise."""

    CLEAN = "clean end"  # billed to the second
    CLAMPED = (
        "clean, clamped"  # its first report was late, and the database's clock bounds the bill
    )
    CELL_KILLED = "process killed"  # at most 1 s under
    GROUP_KILLED = "all processes killed"  # at most 1 s under
    MACHINE_LOST = "machine lost"  # at most what was not settled yet
    TAKEN_OVER = "taken over"  # the same
    NEVER_STARTED = "never started"  # 0


@dataclass(slots=True)
class TrueCall:
    """
    `used_s`: seconds the two had each other. `confirmed`: the watermark last answered.
    `is_contested`: another agent took the call, or may have; what was not settled is lost.
    `unsettled_max_s`: what the loss of the machine may cost at most, where that is known.
    """

    id: UUID
    user: UUID
    fate: Fate | None = None  # None while it runs
    used_s: float = 0.0
    granted_seconds: int = 0
    confirmed: int = 0
    is_contested: bool = False
    unsettled_max_s: float = math.inf

    @property
    def exact_seconds(self) -> int:
        """What a clean end costs: the second that was begun counts, the grant is the limit."""
        return min(math.ceil(self.used_s - ROUNDING_S), self.granted_seconds)


@dataclass
class Verdict:
    """The comparison of all calls. Seconds; `broken` says in words what went wrong."""

    calls: int = 0
    used_s: float = 0.0
    billed_s: int = 0
    over_max_s: float = -math.inf
    under_max_s: dict[Fate, float] = field(default_factory=dict)
    fates: Counter[Fate] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


def compare(calls: list[TrueCall], billed: dict[UUID, int], unbelieved: dict[UUID, int]) -> Verdict:
    """Hold every call against its promise. `unbelieved`: seconds reported beyond the clamp."""
    verdict = Verdict()
    for call in calls:
        assert call.fate is not None, "compare only what has ended"
        seconds = billed.get(call.id, 0)
        if call.is_contested:
            call.fate = Fate.TAKEN_OVER
        elif call.fate is Fate.CLEAN and 0 < call.exact_seconds - seconds <= unbelieved[call.id]:
            call.fate = Fate.CLAMPED
        over_s, under_s = seconds - call.exact_seconds, call.used_s - seconds
        verdict.calls += 1
        verdict.used_s += call.used_s
        verdict.billed_s += seconds
        verdict.over_max_s = max(verdict.over_max_s, over_s)
        verdict.fates[call.fate] += 1
        worst = max(verdict.under_max_s.get(call.fate, 0.0), under_s)
        verdict.under_max_s[call.fate] = worst
        if problem := _problem(call, seconds):
            verdict.broken.append(f"{call.id} ({call.fate}): {problem}")
    return verdict


def _problem(call: TrueCall, seconds: int) -> str | None:
    if seconds > call.exact_seconds:
        return f"billed {seconds} s for {call.used_s:.2f} s"
    if call.fate is Fate.CLEAN and seconds != call.exact_seconds:
        return f"billed {seconds} s instead of exactly {call.exact_seconds}"
    if call.fate in (Fate.CELL_KILLED, Fate.GROUP_KILLED):
        limit = min(call.used_s, call.granted_seconds) - 1
        return f"billed {seconds} s for {call.used_s:.2f} s" if seconds < limit else None
    if call.fate in (Fate.MACHINE_LOST, Fate.TAKEN_OVER) and seconds < call.confirmed:
        return f"billed {seconds} s although {call.confirmed} s were confirmed"
    if call.fate is Fate.MACHINE_LOST and seconds < call.used_s - call.unsettled_max_s:
        return f"billed {seconds} s for {call.used_s:.2f} s, more than a period under"
    return None
