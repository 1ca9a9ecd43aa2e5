"""
A worker group whose calls are virtual and whose money path is the real one.

No media: each call is a number that grows. Journal, charger, closer, last rites and HTTP client are
the agent's own code, on a clock that runs `SPEED` times as fast, so that hours of calls fit into
minutes.
"""

import asyncio
import math
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from agent.charger import SETTLE_EVERY_S, Charger
from agent.charging_client import ChargingClient, Refused, Unknown
from agent.journal import Journal, SlotState
from agent.slots import Slot, SlotPool
from local.chaos.truth import Fate, TrueCall
from shared.call_protocol import SettleAnswer, SettleReport, StartCall, WorkerReport
from shared.clock import SystemClock
from shared.end_reasons import EndReason
from shared.ids import new_uuid

SPEED = 20
TICK_S = 0.5 / SPEED  # twice a virtual second
CELLS = 4
SLOTS_PER_CELL = 25
START_ATTEMPTS_MAX = 40
START_RETRY_S = 0.25


class FastClock(SystemClock):
    """`SPEED` virtual seconds a second. The time of day may be set; the monotonic clock cannot."""

    moved_by = timedelta()

    def now(self) -> datetime:
        return super().now() + self.moved_by

    def monotonic(self) -> float:
        return super().monotonic() * SPEED


class TimedClient(ChargingClient):
    """Knows how long a worker has had no answer to a report: that long, nothing was settled."""

    def __init__(self, base_url: str, token: SecretStr) -> None:
        super().__init__(base_url, token)
        self._answered_s: dict[str, float] = {}  # when the last answered report was sent

    async def settle(self, report: SettleReport) -> SettleAnswer:
        sent_s = SystemClock().monotonic()
        answer = await super().settle(report)
        before_s = self._answered_s.get(report.worker_id, sent_s)
        self._answered_s[report.worker_id] = max(before_s, sent_s)
        return answer

    def unanswered_s(self, worker_id: str) -> float:
        """Real seconds; infinite when nothing was ever answered."""
        return SystemClock().monotonic() - self._answered_s.get(worker_id, -math.inf)


@dataclass(slots=True)
class LiveCall:
    """One call in a slot. `length_s` is when the caller hangs up."""

    truth: TrueCall
    slot: Slot
    cell: int
    base_seconds: int
    length_s: float
    began_s: float


@dataclass
class VirtualGroup:
    """Start with `open`; then take calls until it is told to die."""

    folder: Path
    client: TimedClient
    rng: random.Random
    clock: FastClock = field(default_factory=FastClock)
    calls: list[LiveCall] = field(default_factory=list)
    ended: dict[UUID, TrueCall] = field(default_factory=dict)
    is_dead: bool = False

    def open(self, tasks: asyncio.TaskGroup) -> None:
        self.worker_id = f"virtual-{new_uuid()}"
        self.journal = Journal.create(
            self.folder, worker_id=self.worker_id, cells=CELLS, slots_per_cell=SLOTS_PER_CELL
        )
        self.pools = [SlotPool(self.journal, cell) for cell in range(CELLS)]
        self._tasks = [
            tasks.create_task(self._until_killed(self._charge())),
            tasks.create_task(self._until_killed(self._tick_forever())),
        ]

    async def _until_killed(self, work: Coroutine[Any, Any, None]) -> None:
        """A dead process says nothing, not even that its journal was closed under its hands."""
        try:
            await work
        except asyncio.CancelledError:
            return
        except Exception:
            if not self.is_dead:
                raise

    async def _charge(self) -> None:
        await self._introduce()
        charger = Charger(self.journal, self.client, self.clock, slots_offered_per_cell=0)
        await charger.run()

    async def _introduce(self) -> None:
        """Calls are taken before the first heartbeat; a report of an unknown worker is refused."""
        while True:
            try:
                await self.client.report_worker(WorkerReport(worker_id=self.worker_id, slots=0))
            except (Unknown, Refused):
                await asyncio.sleep(START_RETRY_S)
            else:
                return

    async def take(self, truth: TrueCall, length_s: float) -> bool:
        """Start a call here. False when there is no slot or the control plane refused."""
        cell = self.rng.randrange(CELLS)
        slot = self.pools[cell].reserve()
        if slot is None:
            return False
        order = StartCall(worker_id=self.worker_id, job_id=str(new_uuid()))
        for _ in range(START_ATTEMPTS_MAX):
            try:
                config = await self.client.start(truth.id, order)
            except Unknown:
                await asyncio.sleep(START_RETRY_S)
                continue
            except Refused:
                break
            if self.is_dead:  # killed while the answer was on its way
                truth.fate = Fate.MACHINE_LOST
                return True
            slot.begin(config)
            truth.granted_seconds = config.granted_seconds
            call = LiveCall(
                truth, slot, cell, config.seconds, length_s, began_s=self.clock.monotonic()
            )
            slot.write(SlotState.LIVE, config.seconds)
            self.calls.append(call)
            return True
        self.pools[cell].release(slot)
        truth.fate = Fate.NEVER_STARTED
        return True

    async def _tick_forever(self) -> None:
        while True:
            self.tick()
            await asyncio.sleep(TICK_S)

    def tick(self) -> None:
        """What the media side does each second, for all calls."""
        now_s = self.clock.monotonic()
        for call in list(self.calls):
            self._tick_one(call, now_s)

    def _tick_one(self, call: LiveCall, now_s: float) -> None:
        truth = call.truth
        if answer := call.slot.answer():
            truth.granted_seconds = max(truth.granted_seconds, answer.granted_seconds)
            truth.confirmed = answer.settled_seconds
            if answer.fenced or answer.closed:
                self._end(call, truth.confirmed, Fate.MACHINE_LOST, EndReason.AGENT_FENCED)
                return
        used_s = call.base_seconds + min(now_s - call.began_s, call.length_s)
        truth.used_s = min(used_s, truth.granted_seconds)
        hung_up = now_s - call.began_s >= call.length_s
        if hung_up or used_s >= truth.granted_seconds:
            reason = EndReason.CALLER_HANGUP if hung_up else EndReason.CREDIT_EXHAUSTED
            self._end(call, truth.exact_seconds, Fate.CLEAN, reason)
        else:
            call.slot.write(SlotState.LIVE, math.floor(truth.used_s))

    def _end(self, call: LiveCall, seconds: int, fate: Fate, reason: EndReason) -> None:
        call.slot.write(SlotState.ENDED, seconds, reason)
        call.truth.fate = fate
        self.calls.remove(call)
        self.ended[call.truth.id] = call.truth
        self.pools[call.cell].release(call.slot)

    def kill_cell(self) -> None:
        """One process dies; the charger lives and closes its calls."""
        self.tick()
        cell = self.rng.randrange(CELLS)
        for call in [c for c in self.calls if c.cell == cell]:
            call.truth.fate = Fate.CELL_KILLED
            self.calls.remove(call)
        self.journal.bury(cell)
        self.pools[cell] = SlotPool(self.journal, cell)

    def kill_all(self) -> None:
        """Every process dies; the journal stays for the next worker on the machine."""
        self._die(Fate.GROUP_KILLED)
        self.journal.close()

    def lose_machine(self) -> None:
        """The journal is gone too, with every end that nobody has heard of; the reaper is left."""
        at_most_s = SETTLE_EVERY_S + 1 + SPEED * self.client.unanswered_s(self.worker_id)
        for call in self.calls:
            call.truth.unsettled_max_s = at_most_s
        self._die(Fate.MACHINE_LOST)
        for slot in self.journal.slots:
            mark = self.journal.watermark(slot)
            if mark and mark.call_id in self.ended and not self.journal.is_settled(slot):
                self.ended[mark.call_id].fate = Fate.MACHINE_LOST
        self.journal.remove()

    def _die(self, fate: Fate) -> None:
        self.tick()
        self.is_dead = True
        for call in self.calls:
            call.truth.fate = fate
        self.calls.clear()
        for task in self._tasks:
            task.cancel()

    def stop(self) -> None:
        """The orderly end, once all its calls are closed."""
        self.is_dead = True
        for task in self._tasks:
            task.cancel()
        self.journal.remove()
