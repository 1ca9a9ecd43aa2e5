"""
The talk itself: the framework's session with the caller on one side and the model on the other.

What the framework would do beyond that is switched off: it records, uploads and hosts nothing, and
answers no one in the room but the caller.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from livekit import rtc
from livekit.agents import (
    Agent,
    AgentSession,
    AgentStateChangedEvent,
    APIConnectionError,
    APIError,
    ConversationItemAddedEvent,
    ErrorEvent,
    RoomIO,
    UserInputTranscribedEvent,
    UserStateChangedEvent,
)
from livekit.agents.voice.room_io import AudioInputOptions, RoomOptions, TextOutputOptions
from livekit.plugins.openai.realtime import RealtimeModel, RealtimeSession

from agent.captions import Captions
from agent.config_updates import METHOD, ConfigUpdates, set_output_tokens
from agent.presence import PERSONS
from agent.provider_watch import ProviderWatch
from agent.voice_output import SAMPLE_RATE, VoiceOutput
from shared.call_protocol import CallConfig
from shared.clock import Clock
from shared.log import get_logger

log = get_logger(__name__)

CLOSE_MAX_S = 5.0
HEARD_FRAME_MS = 100  # what the realtime protocol is sent anyway


@dataclass(slots=True)
class Conversation:
    """`on_down`, `on_up`, `on_failed`: the model cannot answer, can again, is given up."""

    room: rtc.Room
    config: CallConfig
    clock: Clock
    model: RealtimeModel
    voice: VoiceOutput
    on_item: Callable[[ConversationItemAddedEvent], None]
    on_down: Callable[[], None]
    on_up: Callable[[], None]
    on_failed: Callable[[], None]
    session: AgentSession[None] = field(init=False)
    captions: Captions = field(init=False)
    provider: ProviderWatch = field(init=False)
    room_io: RoomIO | None = None

    def __post_init__(self) -> None:
        self.captions = Captions(self.voice)
        self.provider = ProviderWatch(self.on_down, self.on_up, self._ping)
        self.session = _session(self.model)
        self.session.output.audio = self.voice
        self.session.output.transcription = self.captions
        self.session.on("conversation_item_added", self.on_item)
        self.session.on("error", self._on_error)
        self.session.on("user_input_transcribed", self._on_heard)
        self.session.on("user_state_changed", self._on_user_state)
        self.session.on("agent_state_changed", self._on_agent_state)

    async def begin(self) -> None:
        """Connect to the model and let it greet. The room is not needed yet: the voice waits."""
        agent = Agent(instructions=self.config.instructions)
        await self.session.start(agent, session_host=False, record=False)
        agent.realtime_llm_session.on(
            "openai_server_event_received",
            lambda _: self.provider.event(self.clock.monotonic()),
        )
        if self.config.max_output_tokens:
            set_output_tokens(agent, self.config.max_output_tokens)
        if self.config.greeting:
            self.session.generate_reply(instructions=self.config.greeting)

    async def join(self) -> None:
        """Listen to the caller in the room. Returns when the caller's page shows captions."""
        updates = ConfigUpdates(self.config, self.session.current_agent)
        self.room.local_participant.register_rpc_method(METHOD, updates.handle)
        self.room_io = RoomIO(
            self.session, self.room, options=_room_options(self.config.caller_identity)
        )
        await self.room_io.start()
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
        except (TimeoutError, APIError) as problem:
            # The framework raises its last connection error again when it is closed after one.
            log.info("session_close_failed", error=type(problem).__name__)

    @property
    def someone_speaks(self) -> bool:
        return self.session.user_state == "speaking" or self.session.agent_state != "listening"

    def check(self, now_s: float) -> None:
        """Call a few times a second once the talk has begun: is the model still there?"""
        self.provider.check(now_s)

    def _on_heard(self, event: UserInputTranscribedEvent) -> None:
        if event.is_final and event.transcript.strip() and self.session.agent_state != "speaking":
            self.provider.caller_was_heard(self.clock.monotonic())

    def _on_user_state(self, event: UserStateChangedEvent) -> None:
        if event.new_state == "speaking":
            self.provider.caller_speaks()

    def _on_agent_state(self, event: AgentStateChangedEvent) -> None:
        if event.new_state == "speaking":
            self.provider.agent_speaks()

    def _on_error(self, event: ErrorEvent) -> None:
        if not event.error.recoverable:  # the framework closes nothing by itself then
            self.on_failed()
        elif isinstance(event.error.error, APIConnectionError):
            self.provider.lost()

    def _ping(self) -> None:
        """An update that changes nothing; every server of the protocol confirms it."""
        realtime = self.session.current_agent.realtime_llm_session
        assert isinstance(realtime, RealtimeSession)
        realtime.send_event({"type": "session.update", "session": {"type": "realtime"}})


def _session(model: RealtimeModel) -> AgentSession[None]:
    return AgentSession(
        llm=model,
        vad=None,
        turn_handling={
            "turn_detection": "realtime_llm",
            "interruption": {"resume_false_interruption": False},
        },
        # Callers cancel their echo themselves; the default would not hear them for 3 s.
        aec_warmup_duration=None,
        user_away_timeout=None,
    )


def _room_options(caller_identity: str) -> RoomOptions:
    return RoomOptions(
        text_input=False,
        audio_input=AudioInputOptions(
            sample_rate=SAMPLE_RATE,
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
