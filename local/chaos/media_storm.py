"""
Layer two: real calls with real media, while what carries them is killed.

The stopwatch is the simulated caller's: from the first sound of the agent to the end of the
connection. A caller cannot hear an agent's death at once, so for calls that lost their agent the
stopwatch stops at the blow.
"""

import asyncio
import math
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from local.api_client import ApiRefused
from local.call_plan import CallPlan, usual_lines
from local.call_result import CallResult
from local.caller import SilentListener, SimulatedCaller
from local.chaos.saboteur import Saboteur
from local.stack import Stack
from shared.clock import SystemClock

CALL_S = (4.0, 25.0)  # from the first sound of the agent until the caller hangs up
BLOW_EVERY_S = (4.0, 8.0)
PROCESSES = ("web", "postgres", "jobs", "redis")
RARE = ("livekit", "agent")  # these end every call, so they come seldom
RARE_SHARE = 0.2
REFUSED_PAUSE_S = 1.0
SETTLE_MAX_S = 120.0  # the promise: no hold is left two minutes after the end
_CLOCK = SystemClock()

_OPEN = "select count(*) from call_sessions where state in ('authorized', 'active')"
_BILLS = "select id, seconds, end_reason from call_sessions"
_VIOLATIONS = "select invariant, key from invariant_violations limit 20"


class _Stopwatch(SilentListener):
    """Remembers when the token came, to place the call's own times on our clock."""

    rang_s: float | None = None

    def stage(self, words: str) -> None:
        if words == "ringing":
            self.rang_s = _CLOCK.monotonic()


@dataclass(frozen=True, slots=True)
class TimedCall:
    """A call with the moments the agent was first and last there, on our monotonic clock."""

    result: CallResult
    first_s: float
    last_s: float


@dataclass
class MediaStorm:
    """`run()` once against a whole stack."""

    stack: Stack
    seed: int
    calls_total: int
    callers: int
    log: Callable[[str], None] = print
    calls: list[TimedCall] = field(default_factory=list)
    turned_away: Counter[str] = field(default_factory=Counter)
    agent_deaths_s: list[float] = field(default_factory=list)
    bills: dict[str, tuple[int, str]] = field(default_factory=dict)

    async def run(self) -> "MediaReport":
        self._rng = random.Random(self.seed)
        self._saboteur = Saboteur(self.stack, self._rng)
        self._placed = 0
        calm = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._saboteur.rage(calm, BLOW_EVERY_S, self._one_blow))
            await asyncio.gather(*(self._one_caller() for _ in range(self.callers)))
            calm.set()
        wrong = await self.settle()
        return self._report(wrong)

    async def settle(self) -> list[str]:
        """Wait until every call has closed, take their bills; what is wrong with the books."""
        connection = await asyncpg.connect(self.stack.database_url)
        try:
            async with asyncio.timeout(SETTLE_MAX_S):
                while await connection.fetchval(_OPEN):
                    await asyncio.sleep(0.5)
        except TimeoutError:
            return [f"{await connection.fetchval(_OPEN)} calls never closed"]
        else:
            rows = await connection.fetch(_BILLS)
            self.bills = {str(row["id"]): (row["seconds"], row["end_reason"]) for row in rows}
            found = await connection.fetch(_VIOLATIONS)
            return [f"invariant {row['invariant']}: {row['key']}" for row in found]
        finally:
            await connection.close()

    async def _one_caller(self) -> None:
        while self._placed < self.calls_total:
            self._placed += 1
            await self._place_one()

    async def _place_one(self) -> None:
        watch = _Stopwatch()
        caller = SimulatedCaller(self.stack.control_plane_url, listener=watch)
        plan = CallPlan(lines=usual_lines(), seconds=self._rng.uniform(*CALL_S))
        try:
            result = await caller.place(plan)
        except ApiRefused:
            self.turned_away["sign-in refused"] += 1
            self._placed -= 1
            await asyncio.sleep(REFUSED_PAUSE_S)
            return
        finally:
            await caller.close()
        if result.first_audio_s is None or watch.rang_s is None:
            self.turned_away[result.ended_by or "unanswered"] += 1
            self._placed -= result.ended_by == "refused"
            await asyncio.sleep(REFUSED_PAUSE_S)
            return
        assert result.token_s is not None
        first_s = watch.rang_s - result.token_s + result.first_audio_s
        self.calls.append(TimedCall(result, first_s, first_s + result.talked_s))

    async def _one_blow(self) -> None:
        dice = self._rng.random()
        if dice < RARE_SHARE:
            blow = self._rng.choice(RARE)
            if blow == "agent":
                self.agent_deaths_s.append(_CLOCK.monotonic())
            await self._saboteur.strike(blow)
        elif dice < 2 * RARE_SHARE:
            self._kill_cell()
        else:
            await self._saboteur.strike(self._rng.choice(PROCESSES))

    def _kill_cell(self) -> None:
        """One forked process of the worker group: a cell with its calls, or the charger."""
        children = children_of(self.stack.pid_of("agent"))
        if children:
            self.agent_deaths_s.append(_CLOCK.monotonic())
            os.kill(self._rng.choice(children), signal.SIGKILL)
            self._saboteur.note("agent cell")

    def _report(self, wrong: list[str]) -> "MediaReport":
        report = MediaReport(blows=self._saboteur.counts, turned_away=self.turned_away)
        report.broken += wrong
        for call in self.calls:
            billed, reason = self.bills.get(call.result.call_id or "", (0, "never closed"))
            report.add(call, billed, reason, self.agent_deaths_s)
        return report


@dataclass
class MediaReport:
    """Seconds. Over is what was billed beyond the caller's own stopwatch, begun second included."""

    blows: Counter[str]
    turned_away: Counter[str]
    calls: int = 0
    talked_s: float = 0.0
    billed_s: int = 0
    over_max_s: float = 0.0
    under_max_s: dict[str, float] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def add(self, call: TimedCall, billed: int, reason: str, agent_deaths_s: list[float]) -> None:
        truth_s = call.result.talked_s
        if reason == "agent_lost":
            truth_s = _until_death(call, billed, agent_deaths_s)
        self.calls += 1
        self.talked_s += truth_s
        self.billed_s += billed
        self.reasons[reason] += 1
        self.over_max_s = max(self.over_max_s, billed - math.ceil(truth_s))
        worst = max(self.under_max_s.get(reason, 0.0), truth_s - billed)
        self.under_max_s[reason] = worst
        if billed > math.ceil(truth_s):
            self.broken.append(f"{call.result.call_id} ({reason}): {billed} s for {truth_s:.2f} s")


def _until_death(call: TimedCall, billed: int, agent_deaths_s: list[float]) -> float:
    """
    Seconds from the first sound to the blow that hit this call.

    Which process held it is not known here: it is the first blow that the bill does not outlast.
    """
    spans = sorted(at - call.first_s for at in agent_deaths_s if call.first_s < at < call.last_s)
    for span_s in spans:
        if billed <= math.ceil(span_s):
            return span_s
    return spans[-1] if spans else call.result.talked_s


def children_of(pid: int) -> list[int]:
    """Process ids of the direct children."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found
