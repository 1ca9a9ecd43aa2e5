"""
Layer two: real calls with real media, while what carries them is killed.

The stopwatch is the simulated caller's: from the first sound of the agent to the end of the
connection. A caller cannot hear an agent's death at once, so for calls that lost their agent the
stopwatch stops at the blow. Webhooks come through a postman who is not to be relied on.
"""

import asyncio
import math
import os
import random
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import asyncpg

from local.api_client import ApiRefused
from local.call_plan import CallPlan, usual_lines
from local.caller import SilentListener, SimulatedCaller
from local.chaos.late_post import LatePost
from local.chaos.media_report import AgentTrouble, Bill, MediaReport, TimedCall
from local.chaos.mischief import Mischief, children_of
from local.chaos.saboteur import Saboteur
from local.stack import Stack
from shared.clock import SystemClock

CALL_S = (4.0, 25.0)  # from the first sound of the agent until the caller hangs up
BLOW_EVERY_S = (4.0, 8.0)
PROCESSES = ("web", "postgres", "jobs", "redis")
RARE = ("livekit", "agent", "machine")  # these end every call, so they come seldom
BLOWS = (*PROCESSES * 3, *RARE, "cell", "cell", "cell")
REFUSED_PAUSE_S = 1.0
ATTEMPTS_PER_CALL_MAX = 4  # while nobody answers, callers try again, but not for ever
TOLD_EVERY_CALLS = 20
INBOX_READ_S = 3.0  # the jobs read the inbox every second
SETTLE_MAX_S = 120.0  # the promise: no hold is left two minutes after the end
_CLOCK = SystemClock()

_OPEN = "select count(*) from call_sessions where state in ('authorized', 'active')"
_BILLS = """
select id, seconds, end_reason, epoch, overrun_s,
  extract(epoch from clock_timestamp() - ended_at)::float8 as ago_s,
  (select coalesce(sum(lasted_s), 0) from call_gaps g where g.call_id = s.id) as gaps_s
from call_sessions s
"""
_BOOKS = """
select md5(string_agg(t::text, ',' order by t::text)) from (
  select c::text from credits c union all select s::text from call_sessions s
  union all select l::text from credit_transactions l) t(t)
"""
_VIOLATIONS = "select invariant, key from invariant_violations limit 20"


class _Stopwatch(SilentListener):
    """Remembers when the token came, to place the call's own times on our clock."""

    rang_s: float | None = None

    def stage(self, words: str) -> None:
        if words == "ringing":
            self.rang_s = _CLOCK.monotonic()


@dataclass
class MediaStorm:
    """`run()` once against a whole stack."""

    stack: Stack
    seed: int
    calls_total: int
    callers: int
    seconds_max: float = math.inf  # no call is placed after that
    log: Callable[[str], None] = print
    calls: list[TimedCall] = field(default_factory=list)
    turned_away: Counter[str] = field(default_factory=Counter)
    bills: dict[str, Bill] = field(default_factory=dict)

    async def run(self) -> MediaReport:
        self._rng = random.Random(self.seed)
        self._saboteur = Saboteur(self.stack, self._rng)
        self._trouble = AgentTrouble()
        self._placed = self._attempts = 0
        self._until_s = _CLOCK.monotonic() + self.seconds_max
        post = LatePost(self.stack.control_plane_url, self.seed)
        await post.start()
        try:
            await self._employ(post)
            await self._storm()
            wrong = await self.settle()
            wrong += await self._hear_it_all_again(post)
        finally:
            await post.stop()
        return self._report(wrong, post.done)

    async def _employ(self, post: LatePost) -> None:
        """From now on the media server hands its webhooks to `post`."""
        config = self.stack.layout.livekit_config
        before = config.read_text()
        after = before.replace(self.stack.control_plane_url, post.url)
        assert after != before, "the media server knows another address of ours"
        config.write_text(after)
        await self.stack.stop_process("livekit")
        await self.stack.start_process("livekit")

    async def _storm(self) -> None:
        calm = asyncio.Event()
        raging = asyncio.create_task(self._saboteur.rage(calm, BLOW_EVERY_S, self._one_blow))
        try:
            async with Mischief(self.stack, self._rng, self._saboteur, self._trouble).going_on():
                await asyncio.gather(*(self._one_caller() for _ in range(self.callers)))
            calm.set()
            await raging
        finally:
            raging.cancel()

    async def _hear_it_all_again(self, post: LatePost) -> list[str]:
        """All webhooks of the run, shuffled, after the end: the books must not move."""
        before = await self._value(_BOOKS)
        await post.bring_all_again()
        await self._value("update webhook_inbox set handled_at = null")
        await asyncio.sleep(INBOX_READ_S)
        return [] if await self._value(_BOOKS) == before else ["old webhooks changed the books"]

    async def _value(self, sql: str) -> object:
        connection = await asyncpg.connect(self.stack.database_url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

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
            now_s = _CLOCK.monotonic()
            for row in rows:
                closed_s = now_s - row["ago_s"]
                self.bills[str(row["id"])] = Bill(
                    seconds=row["seconds"],
                    reason=row["end_reason"],
                    closed_s=closed_s,
                    gaps_s=row["gaps_s"],
                    epoch=row["epoch"],
                    unbelieved_s=row["overrun_s"],
                )
            found = await connection.fetch(_VIOLATIONS)
            return [f"invariant {row['invariant']}: {row['key']}" for row in found]
        finally:
            await connection.close()

    async def _one_caller(self) -> None:
        attempts_max = ATTEMPTS_PER_CALL_MAX * self.calls_total
        while self._is_wanted() and self._attempts < attempts_max:
            self._placed += 1
            self._attempts += 1
            await self._place_one()

    def _is_wanted(self) -> bool:
        return self._placed < self.calls_total and _CLOCK.monotonic() < self._until_s

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
            self._placed -= 1
            await asyncio.sleep(REFUSED_PAUSE_S)
            return
        assert result.token_s is not None
        first_s = watch.rang_s - result.token_s + result.first_audio_s
        self.calls.append(TimedCall(result, first_s, first_s + result.talked_s))
        if len(self.calls) % TOLD_EVERY_CALLS == 0:
            self.log(f"  {len(self.calls)} media calls over")

    async def _one_blow(self) -> None:
        blow = self._saboteur.draw(BLOWS)
        if blow == "cell":
            self._kill_cell()
        elif blow == "machine":
            await self._lose_machine()
        else:
            if blow == "agent":
                self._trouble.deaths.append((_CLOCK.monotonic(), blow))
            await self._saboteur.strike(blow)

    def _kill_cell(self) -> None:
        """One forked process of the worker group: a cell with its calls, or the charger."""
        children = children_of(self.stack.pid_of("agent"))
        if children:
            self._trouble.deaths.append((_CLOCK.monotonic(), "cell"))
            os.kill(self._rng.choice(children), signal.SIGKILL)
            self._saboteur.note("cell")

    async def _lose_machine(self) -> None:
        """All processes of the group at once, and their journal: only the reaper is left."""
        self._trouble.deaths.append((_CLOCK.monotonic(), "machine"))
        os.killpg(self.stack.pid_of("agent"), signal.SIGKILL)
        shutil.rmtree(self.stack.layout.data / "journal", ignore_errors=True)
        await self._saboteur.strike("agent", called="machine")

    def _report(self, wrong: list[str], post: Counter[str]) -> MediaReport:
        report = MediaReport(
            blows=self._saboteur.counts,
            turned_away=self.turned_away,
            post=post,
            trouble=self._trouble,
            broken=wrong,
        )
        for call in self.calls:
            bill = self.bills.get(call.result.call_id or "", Bill(0, "never closed", call.last_s))
            report.add(call, bill)
        return report
