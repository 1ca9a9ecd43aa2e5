"""
The charging sidecar of a worker group: carries watermarks to the control plane and answers back.

It runs in a process of its own without media, so no crash of a call reaches it, and if it is killed
itself, the next one goes on from the journal. It decides nothing about money: it repeats absolute
numbers until they are answered. There is one way a call closes: its journal slot says that it
ended, or its cell is dead, and this loop delivers that.
"""

import asyncio
from dataclasses import dataclass, field

from agent.charging_client import ChargingClient, Refused, Unknown
from agent.closing import Closer, Ownership
from agent.journal import Answer, Journal, Mode, SlotState, Watermark
from shared.call_protocol import CallReport, Grant, SettleReport, Standing, WorkerReport
from shared.clock import Clock
from shared.log import get_logger

log = get_logger(__name__)

POLL_S = 0.2  # how soon an ended call is noticed; a poll of 24 slots takes 0.1 ms
SETTLE_EVERY_S = 10.0  # what a lost machine may cost in seconds of one call
FINAL_SETTLE_EVERY_S = 1.0  # in the final minute, so that a top-up is noticed at once
FINAL_MINUTE_S = 60
HEARTBEAT_EVERY_S = 2.0
RETRY_FIRST_S = 0.5
RETRY_MAX_S = 5.0


@dataclass(slots=True)
class Backoff:
    """When to try again after an answer that never came: doubling, up to RETRY_MAX_S."""

    retry_at_s: float = 0.0
    delay_s: float = RETRY_FIRST_S

    def failed(self, now_s: float) -> None:
        self.retry_at_s = now_s + self.delay_s
        self.delay_s = min(self.delay_s * 2, RETRY_MAX_S)

    def succeeded(self) -> None:
        self.retry_at_s, self.delay_s = 0.0, RETRY_FIRST_S


@dataclass(slots=True)
class Charger:
    """One per worker group. `run` returns when the group has ended and everything is delivered."""

    journal: Journal
    client: ChargingClient
    clock: Clock
    slots_offered_per_cell: int
    _answered_at_s: dict[int, tuple[Watermark, float]] = field(default_factory=dict)
    _backoff: Backoff = field(default_factory=Backoff)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._heartbeat())
            tasks.create_task(self._settle())
            closer = Closer(self.journal, self.client)
            while True:
                closer.sweep(tasks, self._ownership)
                await asyncio.sleep(POLL_S)

    async def _settle(self) -> None:
        while True:
            await self._settle_due()
            await asyncio.sleep(POLL_S)

    def _ownership(self, slot: int, mark: Watermark) -> Ownership:
        if mark.generation != self.journal.generation(self.journal.cell_of(slot)):
            return Ownership.DEAD
        return Ownership.ALIVE

    async def _settle_due(self) -> None:
        now_s = self.clock.monotonic()
        if now_s < self._backoff.retry_at_s:
            return
        due = {slot: mark for slot, mark in self._live().items() if self._is_due(slot, mark, now_s)}
        if not due:
            return
        report = SettleReport(
            worker_id=self.journal.worker_id,
            calls=[
                CallReport(id=m.call_id, epoch=m.epoch, seconds=m.seconds) for m in due.values()
            ],
        )
        try:
            answer = await self.client.settle(report)
        except (Unknown, Refused) as problem:
            # A refused batch is a fault of ours, not the end of any call in it.
            self._backoff.failed(now_s)
            log.warning("settle_unanswered", count=len(due), error=str(problem))
            return
        self._backoff.succeeded()
        grants = {grant.id: grant for grant in answer.calls}
        for slot, mark in due.items():
            self._answered_at_s[slot] = (mark, now_s)
            if grant := grants.get(mark.call_id):
                self._write_grant(slot, mark, grant)

    def _live(self) -> dict[int, Watermark]:
        marks = {slot: self.journal.watermark(slot) for slot in self.journal.slots}
        return {
            slot: mark
            for slot, mark in marks.items()
            if mark
            and mark.state is SlotState.LIVE
            and self._ownership(slot, mark) is Ownership.ALIVE
        }

    def _is_due(self, slot: int, mark: Watermark, now_s: float) -> bool:
        answer = self.journal.answer_to(mark, slot)
        if answer is None:
            return True  # the clock has just begun
        if answer.closed or answer.fenced:
            return False
        before, answered_at_s = self._answered_at_s.get(slot, (mark, float("-inf")))
        if before.call_id != mark.call_id:
            return True
        left_seconds = answer.granted_seconds - mark.seconds
        is_final_minute = answer.final_unit and left_seconds <= FINAL_MINUTE_S
        every_s = FINAL_SETTLE_EVERY_S if is_final_minute else SETTLE_EVERY_S
        return now_s - answered_at_s >= every_s

    def _write_grant(self, slot: int, mark: Watermark, grant: Grant) -> None:
        # The slot may have changed hands while the report was under way.
        now = self.journal.watermark(slot)
        if now is None or (now.call_id, now.epoch) != (mark.call_id, mark.epoch):
            return
        before = self.journal.answer_to(mark, slot)
        if before and before.closed:
            return
        self.journal.write_answer(
            slot,
            Answer(
                call_id=mark.call_id,
                epoch=mark.epoch,
                granted_seconds=grant.granted_seconds,
                settled_seconds=grant.seconds,
                final_unit=grant.final_unit,
                fenced=grant.standing is not Standing.OPEN,
            ),
        )

    async def _heartbeat(self) -> None:
        """Regularly, and at once when there is more or less to offer."""
        reported_s, reported_slots = float("-inf"), -1
        while True:
            now_s, slots = self.clock.monotonic(), self._slots_offered()
            if slots != reported_slots or now_s - reported_s >= HEARTBEAT_EVERY_S:
                reported_s = now_s
                try:
                    await self.client.report_worker(
                        WorkerReport(worker_id=self.journal.worker_id, slots=slots)
                    )
                    reported_slots = slots
                except (Unknown, Refused) as problem:
                    log.warning("heartbeat_unanswered", error=str(problem))
                    await asyncio.sleep(RETRY_FIRST_S)
            await asyncio.sleep(POLL_S)

    def _slots_offered(self) -> int:
        if self.journal.mode is not Mode.SERVING:
            return 0
        ready = sum(self.journal.is_ready(cell) for cell in range(self.journal.cells))
        return ready * self.slots_offered_per_cell
