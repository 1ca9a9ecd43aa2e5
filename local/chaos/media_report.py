"""Real calls held against the stopwatch of their callers."""

import math
from collections import Counter
from dataclasses import dataclass, field

from agent.charger import RETRY_MAX_S, SETTLE_EVERY_S
from local.call_result import CallResult

AGENT_LOST = "agent_lost"
TAKEN_OVER = "taken over"
# Promises, with half a second for the way between our stopwatch and what it measures. A lost
# machine may just have waited to repeat a report. A hang-up has none: a gap may go unreported.
UNDER_LIMITS_S = {
    "agent lost: cell": 1 + 0.5,
    "agent lost: agent": 1 + 0.5,
    "agent lost: machine": SETTLE_EVERY_S + RETRY_MAX_S,
}


@dataclass(frozen=True, slots=True)
class TimedCall:
    """A call with the moments the agent was first and last there, on our monotonic clock."""

    result: CallResult
    first_s: float
    last_s: float


@dataclass(frozen=True, slots=True)
class Bill:
    """What the books say. `closed_s`: when, on our monotonic clock; `gaps_s`: not billed."""

    seconds: int
    reason: str
    closed_s: float
    gaps_s: float = 0.0
    epoch: int = 1  # above: agents took over from one that was lost
    unbelieved_s: int = 0  # reported beyond what the database's clock allows


@dataclass
class AgentTrouble:
    """What was done to agents, on our monotonic clock."""

    deaths: list[tuple[float, str]] = field(default_factory=list)  # when, and of what
    frozen: list[tuple[float, float]] = field(default_factory=list)  # from, to

    def frozen_between_s(self, first_s: float, last_s: float) -> float:
        spans = (min(to, last_s) - max(since, first_s) for since, to in self.frozen)
        return sum(max(0.0, span) for span in spans)


@dataclass
class MediaReport:
    """
    Seconds. Over is what was billed beyond the caller's own stopwatch, begun second included. Under
    leaves out what the receipt lists as a gap, what a process that died stood still before, and
    what was reported too late to be believed.
    """

    blows: Counter[str]
    turned_away: Counter[str]
    post: Counter[str]
    trouble: AgentTrouble
    calls: int = 0
    talked_s: float = 0.0
    billed_s: int = 0
    over_max_s: float = -math.inf
    under_max_s: dict[str, float] = field(default_factory=dict)
    settle_max_s: dict[str, float] = field(default_factory=dict)  # from the end to the close
    reasons: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def add(self, call: TimedCall, bill: Bill) -> None:
        truth_s, fate = call.result.talked_s, bill.reason
        if bill.epoch > 1:  # what the lost one had not settled, and nobody's time in between
            fate = TAKEN_OVER
        elif bill.reason == AGENT_LOST:
            truth_s, fate = self._until_death(call, bill.seconds)
        over_s = bill.seconds - math.ceil(truth_s)
        settled_s = max(0.0, bill.closed_s - call.first_s - truth_s)
        self.calls += 1
        self.talked_s += truth_s
        self.billed_s += bill.seconds
        self.reasons[fate] += 1
        self.over_max_s = max(self.over_max_s, over_s)
        under_s = self._under_s(call, bill, truth_s)
        self.under_max_s[fate] = max(self.under_max_s.get(fate, 0.0), under_s)
        self.settle_max_s[fate] = max(self.settle_max_s.get(fate, 0.0), settled_s)
        if over_s > 0 or under_s > UNDER_LIMITS_S.get(fate, math.inf):
            name = f"{call.result.call_id} ({fate})"
            self.broken.append(f"{name}: {bill.seconds} s for {truth_s:.2f} s, {bill}")

    def _under_s(self, call: TimedCall, bill: Bill, truth_s: float) -> float:
        still_s = 0.0
        if bill.reason == AGENT_LOST:
            still_s = self.trouble.frozen_between_s(call.first_s, call.first_s + truth_s)
        return truth_s - bill.seconds - max(bill.gaps_s, still_s) - bill.unbelieved_s

    def _until_death(self, call: TimedCall, billed: int) -> tuple[float, str]:
        """
        Seconds from the first sound to the blow that hit this call, and which blow that was.

        Which process held it is not known here: the first blow that the bill does not outlast.
        """
        spans = sorted(
            (at - call.first_s, f"agent lost: {kind}")
            for at, kind in self.trouble.deaths
            if call.first_s < at < call.last_s
        )
        for span_s, fate in spans:
            if billed <= math.ceil(span_s):
                return span_s, fate
        return spans[-1] if spans else (call.result.talked_s, AGENT_LOST)
