"""
One call from top to bottom.

The dispatch names the call and nothing else; everything done here follows from what the control
plane answered to `start`. The agent greets, talks and meters; there is one way out, `Call.end`,
which writes the final second into the journal before anything else happens.
"""

import asyncio
from typing import TYPE_CHECKING

from livekit.agents import JobContext

from agent.behaviors.final_minute import FinalMinute
from agent.behaviors.silence import Silence
from agent.billing_clock import BillingClock
from agent.conversation import Conversation
from agent.engines import realtime_model
from agent.evidence import Evidence
from agent.farewell import settlement, tell_the_end, true_reason
from agent.gaps import GapKind
from agent.journal import Answer, Mode
from agent.meter import MeterState, Tick
from agent.page import Page
from agent.presence import Presence
from agent.slots import Slot
from agent.transcript import Transcript
from agent.voice_output import VoiceOutput
from shared.call_protocol import CallConfig, MeterMessage, TranscriptReport
from shared.end_reasons import EndReason
from shared.log import get_logger

if TYPE_CHECKING:
    from agent.cell import Cell

log = get_logger(__name__)

WATCH_EVERY_S = 0.25
GREETING_MAX_S = 20.0  # a model that says nothing for so long will not; the caller paid nothing yet
REJOIN_SETTLE_S = 1.0  # a returning caller subscribes again; what is said before that is lost
LAST_REPORT_S = 3.0

_TOO_LONG = {
    GapKind.CALLER_AWAY: EndReason.CALLER_LOST,
    GapKind.MEDIA_STOPPED: EndReason.CALLER_LOST,
    GapKind.ROOM_LOST: EndReason.MEDIA_LOST,
    GapKind.PROVIDER_DOWN: EndReason.PROVIDER_ERROR,
}


class Call:
    """A call that the control plane gave to us, with its slot in the journal."""

    def __init__(self, context: JobContext, cell: "Cell", config: CallConfig, slot: Slot) -> None:
        self.config = config
        self._room = context.room
        self._cell = cell
        self._slot = slot
        self._ended = asyncio.Event()
        self._reason: EndReason | None = None
        self._waiting_since_s = cell.clock.monotonic()
        self._is_subscribed = False
        self._silence = Silence(config.silence_limit_s)
        self.page = Page(self._room, config.caller_identity)
        self.presence = Presence(
            room=self._room,
            identity=config.caller_identity,
            on_come=self._on_caller_come,
            on_lost=self._on_caller_lost,
            on_left=self.end,
        )
        self.clock = BillingClock(
            config=config,
            slot=slot,
            evidence=Evidence(self._room, self.presence),
            clock=cell.clock,
            on_change=self._show_meter,
            on_cue=self._on_cue,
            on_over=self.end,
        )
        self.transcript = Transcript(
            epoch=config.epoch,
            clock=cell.clock,
            post=self._post_transcript,
            gaps=self.clock.gaps,
        )
        self.voice = VoiceOutput(self._room, cell.clock, self.clock.begin)
        self.conversation = Conversation(
            room=self._room,
            config=config,
            clock=cell.clock,
            model=realtime_model(config, cell.settings),
            voice=self.voice,
            on_item=self.transcript.add,
            on_down=lambda: self.clock.begin_gap(GapKind.PROVIDER_DOWN),
            on_up=lambda: self.clock.end_gap(GapKind.PROVIDER_DOWN),
            on_failed=lambda: self.end(EndReason.PROVIDER_ERROR),
        )
        self.final_minute = FinalMinute(self.conversation.session, self.page, config.language)

    async def hold(self, connecting: "asyncio.Task[None]") -> None:
        """Talk until the call has ended. Raises what went wrong on our side."""
        async with asyncio.TaskGroup() as tasks:
            beginning = tasks.create_task(self.conversation.begin())
            await connecting
            self._room.on("disconnected", lambda *_: self.end(EndReason.MEDIA_LOST))
            self._room.on("reconnecting", lambda: self.clock.begin_gap(GapKind.ROOM_LOST))
            self._room.on("reconnected", lambda: self.clock.end_gap(GapKind.ROOM_LOST))
            self.presence.watch()
            await beginning
            running = [
                tasks.create_task(self.conversation.join()),
                tasks.create_task(self._publish()),
                tasks.create_task(self.clock.run()),
                tasks.create_task(self.clock.look()),
                tasks.create_task(self._watch()),
                tasks.create_task(self.transcript.report_regularly()),
            ]
            await self._ended.wait()
            for task in running:
                task.cancel()

    def end(self, reason: EndReason) -> None:
        """The only way out; the first reason counts. The journal knows it when this returns."""
        if self._reason:
            return
        self._reason = reason
        seconds = self.clock.finish(reason)
        log.info("call_ended", call_id=str(self.config.call_id), end_reason=reason, seconds=seconds)
        self.voice.close_gate()
        self._ended.set()

    async def leave(self) -> None:
        """Wait a moment for the settlement, tell the caller, and hang up."""
        assert self._reason, "leave after end"
        reporting = asyncio.create_task(self.transcript.report())
        answer = await settlement(self._slot, self._cell.clock)
        if self.presence.is_here:
            reason = true_reason(self._reason, answer)
            tell_the_end(self.page, reason, self._meter_message(answer))
            await self.page.sent()
        await asyncio.wait([reporting], timeout=LAST_REPORT_S)
        await self.conversation.close()
        await self.voice.aclose()

    async def _publish(self) -> None:
        await self.voice.publish()
        self._is_subscribed = True
        self._speak_if_heard()

    def _speak_if_heard(self) -> None:
        if self._is_subscribed and self.presence.is_here and not self._reason:
            self.voice.open_gate()

    def _on_caller_come(self) -> None:
        self._waiting_since_s = self._cell.clock.monotonic()
        self._speak_if_heard()
        if GapKind.CALLER_AWAY in self.clock.gaps:
            self.voice.close_gate()
            asyncio.get_running_loop().call_later(REJOIN_SETTLE_S, self._on_caller_back)
        self._show_meter()

    def _on_caller_back(self) -> None:
        if self.presence.is_here:
            self.clock.end_gap(GapKind.CALLER_AWAY)
            self._speak_if_heard()

    def _on_caller_lost(self) -> None:
        self.voice.close_gate()
        self.clock.begin_gap(GapKind.CALLER_AWAY)

    def _on_cue(self, tick: Tick) -> None:
        assert tick.cue
        self._show_meter()
        self.final_minute.take(tick.cue, tick.seconds_left)

    async def _watch(self) -> None:
        """End a call that nothing will become of."""
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            reason = self._overrun(self._cell.clock.monotonic())
            if reason:
                self.end(reason)

    def _overrun(self, now_s: float) -> EndReason | None:
        if self._cell.journal.mode is Mode.ENDING:
            return EndReason.WORKER_SHUTDOWN
        if self.clock.meter.state is MeterState.WAITING:
            return self._waited_too_long(now_s - self._waiting_since_s)
        self.conversation.check(now_s)
        gap = self.clock.gaps.too_long(self.config.rejoin_limit_s, now_s)
        if gap:
            return _TOO_LONG[gap]
        is_heard = bool(self.clock.gaps) or self.conversation.someone_speaks
        if self._silence.is_too_long(someone_speaks=is_heard, now_s=now_s):
            return EndReason.CALLER_SILENT
        return None

    def _waited_too_long(self, waited_s: float) -> EndReason | None:
        if not (self.presence.is_here and self._is_subscribed):
            too_long = waited_s >= self.config.join_limit_s
            return EndReason.CALLER_NEVER_JOINED if too_long else None
        if self.config.greeting:
            return EndReason.PROVIDER_ERROR if waited_s >= GREETING_MAX_S else None
        return EndReason.CALLER_SILENT if waited_s >= self.config.silence_limit_s else None

    def _show_meter(self) -> None:
        if self.presence.is_here:
            self.page.show_meter(self._meter_message(None))

    def _meter_message(self, answer: Answer | None) -> MeterMessage:
        meter = self.clock.meter
        return MeterMessage(
            state=meter.state.value,
            seconds=answer.settled_seconds if answer else meter.seconds,
            granted_seconds=meter.granted_seconds,
            final_unit=meter.final_unit,
        )

    async def _post_transcript(self, report: TranscriptReport) -> None:
        await self._cell.ask(self._cell.client.post_transcript(self.config.call_id, report))
