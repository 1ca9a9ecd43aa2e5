"""
One call from top to bottom.

The dispatch names the call and nothing else; everything done here follows from what the control
plane answered to `start`. The agent greets, talks and meters; there is one way out, `Call.end`,
which writes the final second into the journal before anything else happens.
"""

import asyncio
from typing import TYPE_CHECKING

from livekit.agents import AgentStateChangedEvent, JobContext
from livekit.agents.utils import http_context

from agent.away_voice import AwayVoice
from agent.behaviors.final_minute import FinalMinute
from agent.behaviors.moderation import RestModerator
from agent.behaviors.parting import Parting
from agent.behaviors.safety import Safety
from agent.behaviors.wrap_up import WrapUp
from agent.billing_clock import BillingClock
from agent.conversation import Conversation
from agent.disclosure import Disclosure
from agent.engines import engine_for
from agent.evidence import Evidence
from agent.farewell import settlement, tell_the_end, true_reason
from agent.gaps import GapKind
from agent.journal import Answer, Mode
from agent.meter import MeterState, Tick
from agent.overrun import Overrun
from agent.page import Page
from agent.presence import Presence
from agent.prompt_guard import guard_of
from agent.recording.call_recording import CallRecording
from agent.recording.consent_line import ConsentLine
from agent.recording.delivery import shelf_in
from agent.slots import Slot
from agent.tools.line import ToolLine
from agent.tools.offering import Offering
from agent.tools.port import ToolDesk
from agent.transcript import Transcript
from agent.voice_output import VoiceOutput
from shared.call_protocol import CallConfig, MeterMessage, TranscriptReport
from shared.end_reasons import EndReason
from shared.log import get_logger

if TYPE_CHECKING:
    from agent.cell import Cell

log = get_logger(__name__)

WATCH_EVERY_S = 0.25
REJOIN_SETTLE_S = 1.0  # a returning caller subscribes again; what is said before that is lost
LAST_REPORT_S = 3.0


class Call:
    """
    A call that the control plane gave to us, with its slot in the journal.

    `provider_limit_s`: how long the voice model may be away, on whatever line the caller is.
    """

    def __init__(
        self,
        context: JobContext,
        cell: "Cell",
        config: CallConfig,
        slot: Slot,
        *,
        provider_limit_s: float,
    ) -> None:
        self.config = config
        self._room = context.room
        self._cell = cell
        self._slot = slot
        self._ended = asyncio.Event()
        self._reason: EndReason | None = None
        self._is_subscribed = False
        self._parting = Parting()
        self._more_tools = cell.more_tools()
        self._guard = guard_of(config)
        self.page = Page(self._room, config.caller_identity, is_shown=config.channel == "web")
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
            on_change=self._on_clock_change,
            on_cue=self._on_cue,
            on_over=self.end,
        )
        self.transcript = Transcript(
            epoch=config.epoch,
            clock=cell.clock,
            post=self._post_transcript,
            gaps=self.clock.gaps,
            redact=self._guard.safe_part if self._guard else str,
        )
        self.voice = VoiceOutput(self._room, cell.clock, self.clock.begin)
        self._away_voice = AwayVoice(
            cell.sentences,
            self.voice,
            self.page,
            config.language,
            on_away=lambda: self.clock.begin_gap(GapKind.PROVIDER_DOWN),
            on_back=lambda: self.clock.end_gap(GapKind.PROVIDER_DOWN),
        )
        self._disclosure = self._disclosure_if_wanted()
        self._recording = self._recording_if_wanted()
        self.conversation = self._new_conversation()
        self.conversation.session.on("agent_state_changed", self._on_agent_state)
        self.safety = self._new_safety()
        self._overrun = Overrun(
            config=config,
            clock=cell.clock,
            billing=self.clock,
            conversation=self.conversation,
            presence=self.presence,
            provider_limit_s=provider_limit_s,
            is_heard=lambda: self.presence.is_here and self._is_subscribed,
            is_deciding=lambda: bool(self._recording and self._recording.is_asking),
        )
        self.wrap_up = WrapUp(self.conversation.tell_time_left)
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
            if self._recording:
                self._recording.watch()
            await beginning
            running = [
                tasks.create_task(self.conversation.join()),
                tasks.create_task(self._publish()),
                tasks.create_task(self._open()),
                tasks.create_task(self.clock.run()),
                tasks.create_task(self.clock.look()),
                tasks.create_task(self._watch()),
                tasks.create_task(self.transcript.report_regularly()),
                tasks.create_task(self._away_voice.prepare()),
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
        self._close_gates()
        self.safety.close()
        self._ended.set()

    @property
    def is_ours(self) -> bool:
        """False once another agent holds the call: its room is not ours to end."""
        return self._reason is not EndReason.AGENT_FENCED

    async def leave(self) -> None:
        """Wait a moment for the settlement, tell the caller, and hang up."""
        assert self._reason, "leave after end"
        reporting = asyncio.create_task(self.transcript.report())
        taping = asyncio.create_task(self._recording.leave()) if self._recording else None
        answer = await settlement(self._slot, self._cell.clock)
        if self.presence.is_here:
            reason = true_reason(self._reason, answer)
            tell_the_end(self.page, reason, self._meter_message(answer))
            await self.page.sent()
        await asyncio.wait([reporting], timeout=LAST_REPORT_S)
        await self.conversation.close()
        await self._more_tools.aclose()
        await self.voice.aclose()
        if self._disclosure:
            await self._disclosure.voice.aclose()
        if taping:
            await taping

    async def _open(self) -> None:
        await self.conversation.open()
        spoken, self._disclosure = self._disclosure, None
        if spoken:
            await spoken.voice.retire()

    async def _publish(self) -> None:
        """All that will be heard, at once: each publication is a round trip with the caller."""
        voices = [self._disclosure.voice] if self._disclosure else []
        await asyncio.gather(*(voice.publish() for voice in (self.voice, *voices)))
        self._is_subscribed = True
        self._speak_if_heard()

    def _speak_if_heard(self) -> None:
        if not (self._is_subscribed and self.presence.is_here and not self._reason):
            return
        if self._disclosure:
            self._disclosure.voice.open_gate()
        if self.conversation.is_open:
            self.voice.open_gate()

    def _close_gates(self) -> None:
        self.voice.close_gate()
        if self._disclosure:
            self._disclosure.voice.close_gate()

    def _on_open(self) -> None:
        self._overrun.wait_anew()
        if self._disclosure:
            log.info("caller_told_of_ai", call_id=str(self.config.call_id))
            self.transcript.note("disclosed")
        self._speak_if_heard()

    def _on_leak(self) -> None:
        """The model began to read out a secret prompt: change the topic, or end the call."""
        assert self._guard, "who else calls this"
        log.warning("prompt_guarded", call_id=str(self.config.call_id))
        self.transcript.note("prompt_guarded")
        if self._guard.is_collected:
            self.end(EndReason.AGENT_GOODBYE)
        self.safety.change_the_topic(self._guard.forgive)

    def _on_caller_come(self) -> None:
        self._overrun.wait_anew()
        self._speak_if_heard()
        if GapKind.CALLER_AWAY in self.clock.gaps:
            self._close_gates()
            asyncio.get_running_loop().call_later(REJOIN_SETTLE_S, self._on_caller_back)
        self._show_meter()

    def _on_caller_back(self) -> None:
        if self.presence.is_here:
            self.clock.end_gap(GapKind.CALLER_AWAY)
            self._speak_if_heard()

    def _on_caller_lost(self) -> None:
        self._close_gates()
        self.clock.begin_gap(GapKind.CALLER_AWAY)

    def _on_clock_change(self) -> None:
        """A line that sends nothing pays nothing, so it hears nothing: what is said now waits."""
        if GapKind.MEDIA_STOPPED in self.clock.gaps:
            self._close_gates()
        elif GapKind.CALLER_AWAY not in self.clock.gaps:
            self._speak_if_heard()
        self._show_meter()

    def _on_cue(self, tick: Tick) -> None:
        assert tick.cue
        self._show_meter()
        # A character that says goodbye is not interrupted with another one.
        is_spoken = not self._parting.is_wanted
        self.final_minute.take(tick.cue, tick.seconds_left, is_spoken=is_spoken)

    def _on_agent_state(self, event: AgentStateChangedEvent) -> None:
        if event.new_state == "speaking":
            self._parting.agent_begins()

    def _recording_if_wanted(self) -> CallRecording | None:
        if self.config.recording == "off":
            return None
        cell = self._cell
        recording = CallRecording(
            config=self.config,
            room=self._room,
            page=self.page,
            line=ConsentLine(cell.client, self.config.call_id, cell.ask),
            shelf=shelf_in(cell.settings.agent_journal_dir),
            clock=cell.clock,
        )
        self.voice.overhear(recording)
        return recording

    def _disclosure_if_wanted(self) -> Disclosure | None:
        words, language = self.config.disclosure, self.config.language
        if not words:
            return None
        return Disclosure(self._room, self._cell.clock, words=words, language=language)

    def _new_conversation(self) -> Conversation:
        config, cell = self.config, self._cell
        offering = Offering(self._tool_desk(), guard=guard_of(config))
        return Conversation(
            room=self._room,
            config=config,
            clock=cell.clock,
            engine=engine_for(config, cell.settings, cell.clock, http_context.http_session()),
            voice=self.voice,
            on_item=self.transcript.add,
            on_down=self._away_voice.away,
            on_up=self._away_voice.back,
            on_failed=lambda: self.end(EndReason.PROVIDER_ERROR),
            on_late=self._away_voice.late,
            tools=offering.tools(config.tools, self._more_tools.tools),
            uses_tool=lambda: offering.running > 0,
            disclosure=self._disclosure,
            on_open=self._on_open,
            guard=self._guard,
            on_leak=self._on_leak,
            recording=self._recording,
        )

    def _new_safety(self) -> Safety:
        server = self._cell.settings.moderation
        return Safety(
            config=self.config,
            session=self.conversation.session,
            page=self.page,
            clock=self._cell.clock,
            note=self.transcript.note,
            moderator=RestModerator(http_context.http_session(), server) if server else None,
        )

    def _tool_desk(self) -> ToolDesk:
        return ToolDesk(
            control_plane=ToolLine(self._cell.client, self.config.call_id, self._cell.ask),
            page=self.page,
            epoch=self.config.epoch,
            language=self.config.language,
            links=self.config.links,
            seconds=lambda: self.clock.meter.seconds,
            part=self._parting.begin,
        )

    async def _watch(self) -> None:
        """End a call that nothing will become of."""
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            reason = self._due_end(self._cell.clock.monotonic())
            if reason:
                self.end(reason)

    def _due_end(self, now_s: float) -> EndReason | None:
        if self._cell.journal.mode is Mode.ENDING:
            return EndReason.WORKER_SHUTDOWN
        self.conversation.check(now_s)
        if self.clock.meter.state is MeterState.WAITING:
            return self._overrun.before_the_talk(now_s)
        if self._parting.is_over(
            agent_speaks=self.conversation.session.agent_state == "speaking",
            is_quiet=not self.conversation.someone_speaks,
            now_s=now_s,
        ):
            return EndReason.AGENT_GOODBYE
        if not (self._parting.is_wanted or self.final_minute.has_begun):  # no break at the end
            self.safety.check(self.clock.meter.seconds)
        return self._overrun.in_the_talk(now_s)

    def _show_meter(self) -> None:
        meter = self.clock.meter
        left_seconds = meter.granted_seconds - meter.seconds
        self.wrap_up.look(seconds_left=left_seconds, final_unit=meter.final_unit)
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
