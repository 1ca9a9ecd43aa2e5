"""
The talk itself: the framework's session with the caller on one side and the model on the other.

What the framework would do beyond that is switched off: it records, uploads and hosts nothing, and
answers no one in the room but the caller.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from livekit import rtc
from livekit.agents import (
    Agent,
    AgentSession,
    AgentStateChangedEvent,
    APIError,
    ConversationItemAddedEvent,
    ErrorEvent,
    RoomIO,
    UserInputTranscribedEvent,
    UserStateChangedEvent,
)
from livekit.agents.llm import RawFunctionTool
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.room_io import AudioInputOptions, RoomOptions, TextOutputOptions

from agent.absence import apology
from agent.captions import Captions
from agent.config_updates import METHOD, ConfigUpdates
from agent.disclosure import INSTRUCTIONS as DISCLOSING
from agent.disclosure import TRIES_MAX, Disclosure
from agent.engines.port import Engine, Tell
from agent.instructions import Instructions
from agent.owed_answer import Due
from agent.phrases import exactly
from agent.presence import PERSONS
from agent.prompt_guard import PromptGuard
from agent.provider_watch import ProviderWatch
from agent.recording.call_recording import CallRecording
from agent.recording.overheard import OverheardInput
from agent.recording.read_out import ReadOut
from agent.resuming import instructions_for
from agent.sound import RATE_HZ
from agent.voice_output import VoiceOutput
from shared.call_protocol import CallConfig
from shared.clock import Clock
from shared.log import get_logger

log = get_logger(__name__)

CLOSE_MAX_S = 5.0
HEARD_FRAME_MS = 100  # what the realtime protocol is sent anyway
PAUSE_S = 1.0  # of both sides, before a session is renewed in it


@dataclass(slots=True)
class Conversation:
    """
    `on_down`, `on_up`, `on_failed`: the model cannot answer, can again, is given up. `on_late`: it
    has been away for so long that the caller must be told. `on_open`: the caller has heard what is
    speaking, and the talk may begin. `on_leak`: the model was stopped from reading out its prompt.
    """

    room: rtc.Room
    config: CallConfig
    clock: Clock
    engine: Engine
    voice: VoiceOutput
    on_item: Callable[[ConversationItemAddedEvent], None]
    on_down: Callable[[], None]
    on_up: Callable[[], None]
    on_failed: Callable[[], None]
    on_late: Callable[[], None]
    tools: Sequence[RawFunctionTool[..., Any]] = ()
    disclosure: Disclosure | None = None
    on_open: Callable[[], None] = lambda: None
    guard: PromptGuard | None = None
    on_leak: Callable[[], None] = lambda: None
    recording: CallRecording | None = None
    uses_tool: Callable[[], bool] = lambda: False  # at this moment
    session: AgentSession[None] = field(init=False)
    instructions: Instructions = field(init=False)
    captions: Captions = field(init=False)
    opened: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    provider: ProviderWatch = field(init=False)
    room_io: RoomIO | None = None
    _disclosing: SpeechHandle | None = None
    _owes_apology: bool = False
    _spoken_s: float = 0.0  # when anybody was last heard

    def __post_init__(self) -> None:
        self.instructions = Instructions.of(self.config)
        self.captions = Captions(self.voice, guard=self.guard, on_leak=self.on_leak)
        self.provider = ProviderWatch(
            on_down=self.on_down,
            on_up=self.on_up,
            ping=self.engine.ping,
            on_stalled=self.engine.break_off,
            on_late=self._on_late,
        )
        self.session = self.engine.new_session()
        self.session.output.audio = self.voice
        self.session.output.transcription = self.captions
        self.session.on("conversation_item_added", self.on_item)
        self.session.on("error", self._on_error)
        self.session.on("user_input_transcribed", self._on_heard)
        self.session.on("user_state_changed", self._on_user_state)
        self.session.on("agent_state_changed", self._on_agent_state)

    async def begin(self) -> None:
        """Connect to the model and let it greet. The room is not needed yet: the voice waits."""
        instructions = DISCLOSING if self.disclosure else self.instructions.text
        agent = Agent(instructions=instructions, tools=list(self.tools))
        await self.session.start(agent, session_host=False, record=False)
        self.engine.attach(
            self.session,
            Tell(
                event=lambda: self.provider.event(self.clock.monotonic()),
                lost=lambda: self.provider.lost(self.clock.monotonic()),
                back=self._resume,
                failed=self.on_failed,
            ),
        )
        if self.config.max_output_tokens and not self.disclosure:  # that is never cut short
            self.engine.set_output_tokens(self.config.max_output_tokens)
        if self.disclosure:
            self.session.output.audio = self.disclosure.voice
            self.session.input.set_audio_enabled(False)
            self._disclosing = self.session.generate_reply(instructions=self.disclosure.order)
        elif self.config.greeting:
            self.say(self.config.greeting)

    async def open(self) -> None:
        """Let the caller hear what is speaking; then the character gets its prompt and voice."""
        if self.disclosure:
            await self._disclose(self.disclosure)
            if self.recording:  # asked on the same track, where nobody pays
                await self.recording.ask(self._read_out)
            self.session.output.audio = self.voice
            if self.config.max_output_tokens:
                self.engine.set_output_tokens(self.config.max_output_tokens)
            await self.update_instructions(self.instructions.text)
            self.session.input.set_audio_enabled(True)
        self.opened.set()
        self.on_open()
        if self.instructions.time_left and not self.disclosure:  # untold yet
            await self.tell_time_left(self.instructions.time_left)
        if self.disclosure and self.config.greeting:
            self.say(self.config.greeting)

    async def _disclose(self, disclosure: Disclosure) -> None:
        assert self._disclosing, "open after begin"
        saying = self._disclosing
        for tries_left in reversed(range(TRIES_MAX)):
            await saying
            if disclosure.was_heard(saying):
                return
            if tries_left:
                saying = self.session.generate_reply(instructions=disclosure.order)
        log.warning("disclosure_unspoken", call_id=str(self.config.call_id))
        self.on_failed()
        await asyncio.Event().wait()  # the call ends, and this task with it

    def _read_out(self, words: str) -> ReadOut:
        order = exactly(words, self.config.language)
        assert self.disclosure, "who else is heard unpaid"
        return ReadOut(self.session.generate_reply(instructions=order), self.disclosure.voice)

    def say(self, instructions: str) -> None:
        """Have the model say something; it is asked again if its session gets lost meanwhile."""
        self.engine.ordered(instructions)
        self.session.generate_reply(instructions=instructions)

    async def tell_time_left(self, note: str) -> None:
        """What the model knows of the time that is left; "" takes it back."""
        self.instructions.time_left = note
        if not self.is_open:
            return
        try:
            await self.update_instructions(self.instructions.text)
        except (RuntimeError, APIError) as problem:  # the session is closing, or away
            log.info("time_left_untold", error=type(problem).__name__)

    async def update_instructions(self, instructions: str) -> None:
        """Of whoever speaks now."""
        await self.session.current_agent.update_instructions(instructions)

    async def join(self) -> None:
        """Listen to the caller in the room. Returns when the caller's page shows captions."""
        updates = ConfigUpdates(self.config, self, self.engine, self.instructions, self.opened)
        self.room.local_participant.register_rpc_method(METHOD, updates.handle)
        self.room_io = RoomIO(
            self.session, self.room, options=_room_options(self.config.caller_identity)
        )
        await self.room_io.start()
        if self.recording and self.session.input.audio:
            heard = OverheardInput(self.session.input.audio, self.recording.heard)
            self.session.input.audio = heard
        page = self.session.output.transcription
        assert page, "RoomIO brought no text output"
        self.session.output.transcription = self.captions
        await self.room_io.wait_for_ready()
        self.captions.attach(page)

    async def close(self) -> None:
        """End the session; a model that does not let go is left behind."""
        try:
            async with asyncio.timeout(CLOSE_MAX_S):
                await self.session.aclose()
                if self.room_io:
                    await self.room_io.aclose()
                await self.engine.aclose()
        except (TimeoutError, APIError) as problem:
            # The framework raises its last connection error again when it is closed after one.
            log.info("session_close_failed", error=type(problem).__name__)

    @property
    def is_open(self) -> bool:
        return self.opened.is_set()

    @property
    def someone_speaks(self) -> bool:
        return self.session.user_state == "speaking" or self.session.agent_state != "listening"

    def check(self, now_s: float) -> None:
        """Call a few times a second once the talk has begun: is the model still there?"""
        if self.uses_tool():
            self.provider.tool_runs(now_s)
        self.provider.check(now_s)
        if self.someone_speaks:
            self._spoken_s = now_s
        self.engine.renew_if_due(is_quiet=now_s - self._spoken_s >= PAUSE_S)

    def _on_late(self) -> None:
        self._owes_apology = True
        self.on_late()

    def _resume(self, due: Due | None) -> None:
        """The model has a new session, with all that was said; this is still to be said."""
        apologises, self._owes_apology = self._owes_apology, False
        try:
            if apologises:
                self.session.generate_reply(instructions=apology(self.config.language))
            if due and (instructions := instructions_for(due)):
                self.session.generate_reply(instructions=instructions)
            elif due:
                self.session.generate_reply()
        except RuntimeError as problem:  # the session is closing
            log.info("answer_not_resumed", error=type(problem).__name__)

    def _on_heard(self, event: UserInputTranscribedEvent) -> None:
        if event.is_final and event.transcript.strip() and self.session.agent_state != "speaking":
            self.provider.caller_was_heard(self.clock.monotonic())

    def _on_user_state(self, event: UserStateChangedEvent) -> None:
        if event.new_state == "speaking":
            self.provider.caller_speaks()
        else:
            self.provider.caller_paused()

    def _on_agent_state(self, event: AgentStateChangedEvent) -> None:
        if event.new_state == "speaking":
            self._owes_apology = False  # too late for one
            self.provider.agent_speaks()

    def _on_error(self, event: ErrorEvent) -> None:
        # The link keeps these from us. The framework closes nothing by itself after one.
        if event.error.type == "realtime_model_error" and not event.error.recoverable:
            self.on_failed()


def _room_options(caller_identity: str) -> RoomOptions:
    return RoomOptions(
        text_input=False,
        audio_input=AudioInputOptions(
            sample_rate=RATE_HZ,
            frame_size_ms=HEARD_FRAME_MS,
            auto_gain_control=False,
            pre_connect_audio=False,
        ),
        audio_output=False,
        # The synchroniser costs a third of the framework's CPU; the voice cuts the text itself.
        text_output=TextOutputOptions(sync_transcription=False),
        participant_kinds=list(PERSONS),
        participant_identity=caller_identity,
        close_on_disconnect=False,
    )
