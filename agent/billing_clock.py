"""
Drives the meter of one call with the real clock, proof of the caller's presence, and the journal.

It starts with the first sound the caller can hear. Each second it asks for proof that the caller is
still connected, counts, and writes the watermark; answers of the control plane are read from the
journal, so no network is between a call and its clock.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.comeback import Comeback
from agent.evidence import Evidence
from agent.gaps import GapKind, Gaps
from agent.journal import Answer, SlotState
from agent.meter import Cue, Meter, MeterState, Tick
from agent.slots import Slot
from shared.call_protocol import CallConfig
from shared.clock import Clock
from shared.end_reasons import EndReason
from shared.log import get_logger

log = get_logger(__name__)

# In the caller's favour, so that no second is billed that the caller would not count: from handing
# the first sound to the engine until it is heard, and from hanging up until we know it.
DELIVERY_ALLOWANCE_S = 0.1
NOTICE_ALLOWANCE_S = 0.3
POLL_S = 0.25  # how soon an answer in the journal is seen
AFTER_SECOND_S = 0.02  # a tick comes just after its second, so that the floor is that second
MEDIA_LOST_AFTER_S = 2.0  # five times the longest pause between packets of an open microphone
# Until we notice, a caller hears what nobody pays for: a line may stop so often in one call.
MEDIA_LOSSES_MAX = 20

STOOD_STILL_S = 0.75  # we look four times a second: a longer pause is ours, not the caller's

_FOUND_LATE = (GapKind.CALLER_AWAY, GapKind.MEDIA_STOPPED)


@dataclass(slots=True)
class BillingClock:
    """`on_change`: state or grant changed. `on_over`: the call must end, with the reason."""

    config: CallConfig
    slot: Slot
    evidence: Evidence
    clock: Clock
    on_change: Callable[[], None]
    on_cue: Callable[[Tick], None]
    on_over: Callable[[EndReason], None]
    meter: Meter = field(init=False)
    gaps: Gaps = field(init=False)
    _proven_s: float = 0.0
    _looked_s: float = 0.0
    _media_losses: int = 0
    _comeback: Comeback = field(default_factory=Comeback)
    _seen: Answer | None = None

    def __post_init__(self) -> None:
        self.meter = Meter(
            base_seconds=self.config.seconds,
            granted_seconds=self.config.granted_seconds,
            final_unit=self.config.final_unit,
        )
        self.gaps = Gaps(self.meter)

    def begin(self) -> None:
        """The first sound is on its way to a caller who listens."""
        self._proven_s = self._looked_s = self.clock.monotonic()
        self.meter.start(self._proven_s + DELIVERY_ALLOWANCE_S)
        if self.gaps:  # sound that was made before the model, or the room, was lost
            self.meter.pause(self._proven_s)
        self.slot.write(SlotState.LIVE, self.meter.seconds)
        self.on_change()

    def begin_gap(self, gap: GapKind) -> None:
        """From now on nobody pays; from the last proof on, when the caller was lost unseen."""
        if gap in self.gaps:
            return
        log.info("gap_begins", call_id=str(self.config.call_id), kind=gap.value)
        if gap not in _FOUND_LATE:  # those begin before any standstill
            self._skip_standstill()
        now_s = self.clock.monotonic()
        self.gaps.begin(gap, min(self._proven_s, now_s) if gap in _FOUND_LATE else now_s)
        self.on_change()

    def end_gap(self, gap: GapKind) -> None:
        if gap not in self.gaps:
            return
        log.info("gap_ends", call_id=str(self.config.call_id), kind=gap.value)
        self._proven_s = self.clock.monotonic()
        self.gaps.end(gap, self._proven_s)
        self.on_change()

    async def run(self) -> None:
        """Count until cancelled."""
        while True:
            due_s = self.meter.until_next_second_s(self.clock.monotonic())
            await asyncio.sleep(min(due_s + AFTER_SECOND_S, POLL_S) if due_s > 0 else POLL_S)
            await self.step()

    async def step(self) -> None:
        """One look at the answers and, when a second is over, at the line."""
        self._skip_standstill()  # whichever wakes first
        self._take_answer()
        if GapKind.MEDIA_STOPPED in self.gaps:
            await self._look_for_media()
        elif self.meter.until_next_second_s(self.clock.monotonic()) <= 0:
            await self._count()

    async def _look_for_media(self) -> None:
        is_proven = await self.evidence.is_alive()
        if self._comeback.look(is_proven=is_proven, now_s=self.clock.monotonic()):
            self.end_gap(GapKind.MEDIA_STOPPED)

    def _lose_media(self) -> None:
        self._media_losses += 1
        self._comeback = Comeback()
        self.begin_gap(GapKind.MEDIA_STOPPED)
        if self._media_losses >= MEDIA_LOSSES_MAX:
            self.on_over(EndReason.CALLER_LOST)

    async def look(self) -> None:
        """Notice standstills until cancelled; apart from `run`, which may wait for a proof."""
        while True:
            await asyncio.sleep(POLL_S)
            self._skip_standstill()

    def _skip_standstill(self) -> None:
        """Time in which this process was stopped or starved served nobody, and costs nothing."""
        now_s = self.clock.monotonic()
        if now_s - self._looked_s >= STOOD_STILL_S and self.meter.state is MeterState.RUNNING:
            self.gaps.skip(self._looked_s, now_s)
            self._proven_s = now_s
        self._looked_s = now_s

    def finish(self, reason: EndReason) -> int:
        """Stop for good. The journal knows the end when this returns."""
        self.gaps.close(self.clock.monotonic())
        # We look more often than this allowance. If not, this process stood still, and the caller
        # may have left when it began to.
        noticed_s = self.clock.monotonic() - NOTICE_ALLOWANCE_S
        seconds = self.meter.finish(min(noticed_s, self._looked_s))
        self.slot.write(SlotState.ENDED, seconds, reason)
        return seconds

    async def _count(self) -> None:
        """A second counts when something proves that the caller lived to see the end of it."""
        now_s = self.clock.monotonic()
        is_proven = await self.evidence.is_alive()
        self._skip_standstill()
        if self.meter.state is not MeterState.RUNNING:
            return  # it changed while we asked
        if not is_proven:
            if self.clock.monotonic() - self._proven_s >= MEDIA_LOST_AFTER_S:
                self._lose_media()
            return
        self._proven_s = self.meter.last_second_at_s(now_s)
        before = self.meter.seconds
        tick = self.meter.tick(now_s)
        if tick.seconds != before:
            self.slot.write(SlotState.LIVE, tick.seconds)
        if tick.cue is Cue.HANG_UP:
            self.on_over(self._end_of_grant())
        elif tick.cue:
            self.on_cue(tick)

    def _end_of_grant(self) -> EndReason:
        if not self.meter.final_unit:
            return EndReason.AGENT_ERROR  # more was to be had, but nobody could be asked
        if self.config.free_limited:
            return EndReason.DURATION_LIMIT
        if self.config.cap_limited:
            return EndReason.MONTHLY_CAP
        return EndReason.CREDIT_EXHAUSTED

    def _take_answer(self) -> None:
        answer = self.slot.answer()
        if answer is None or answer == self._seen:
            return
        self._seen = answer
        if answer.fenced or answer.closed:
            self.on_over(EndReason.AGENT_FENCED)
            return
        before = (self.meter.granted_seconds, self.meter.final_unit)
        self.meter.extend(granted_seconds=answer.granted_seconds, final_unit=answer.final_unit)
        if before != (self.meter.granted_seconds, self.meter.final_unit):
            self.on_change()
