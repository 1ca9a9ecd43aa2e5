"""A speech-to-speech model behind OpenAI's realtime protocol: one connection, renewed as needed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
from livekit.agents import AgentSession, APIConnectOptions
from livekit.agents.voice.agent_session import SessionConnectOptions
from livekit.agents.voice.turn import TurnHandlingOptions
from livekit.plugins.openai.realtime import RealtimeModel, RealtimeSession
from openai.types.realtime.realtime_audio_input_turn_detection import ServerVad

from agent.engines.endpoint import Endpoint
from agent.engines.port import ERRORS_MAX, Tell
from agent.engines.provider_link import ProviderLink
from agent.owed_answer import Due, OwedAnswer
from shared.clock import Clock
from shared.log import get_logger

log = get_logger(__name__)

# The provider hears when the caller stops. Values as in the API's own documentation; a shorter
# silence cuts people off who think while they speak.
TURN_SILENCE_MS = 500
TURN_PREFIX_MS = 300
TURN_THRESHOLD = 0.5

TURNS: TurnHandlingOptions = {
    "turn_detection": "realtime_llm",
    "interruption": {"resume_false_interruption": False},
}
PAUSE_MAX_S = 60.0  # how long a renewal waits for a pause; answers survive one without, too
REDIAL_EVERY_S = 0.5
REDIALS_MAX = 10**6  # who gives up, and when, is decided by the call
RESPONSE_RETRIES_MAX = 2  # of one answer that the provider began and failed

# A provider says so when a voice cannot change once it was heard; a new session may have another.
VOICE_IS_FIXED = "cannot_update_voice"


@dataclass(slots=True)
class RealtimeEngine:
    """The endpoints in order: the first speaks, the others take over when it cannot."""

    endpoints: Sequence[Endpoint]
    clock: Clock
    http: aiohttp.ClientSession
    link: ProviderLink = field(init=False)
    owed: OwedAnswer = field(default_factory=OwedAnswer)
    gives_up: bool = False
    _model: RealtimeModel = field(init=False)
    _session: AgentSession[None] | None = None
    _tell: Tell | None = None
    _turn_id: str | None = None
    _voice: str = ""
    _former_voice: str = ""
    _wants_renewal: bool = False
    _retries: int = 0

    def __post_init__(self) -> None:
        self.link = ProviderLink(self.http, self.endpoints, self.clock)
        first = self.endpoints[0]
        self._voice = first.voice
        self._model = RealtimeModel(
            model=first.model,
            voice=first.voice,
            base_url=first.base_url,
            api_key=first.api_key.get_secret_value(),
            http_session=cast("aiohttp.ClientSession", self.link),
            max_session_duration=None,
            conn_options=APIConnectOptions(max_retry=REDIALS_MAX, retry_interval=REDIAL_EVERY_S),
            turn_detection=ServerVad(
                type="server_vad",
                threshold=TURN_THRESHOLD,
                prefix_padding_ms=TURN_PREFIX_MS,
                silence_duration_ms=TURN_SILENCE_MS,
                create_response=True,
                interrupt_response=True,
            ),
        )

    @property
    def provider(self) -> str:
        return self.link.endpoint.provider

    def new_session(self) -> AgentSession[None]:
        return AgentSession(
            llm=self._model,
            vad=None,
            turn_handling=TURNS,
            conn_options=SessionConnectOptions(max_unrecoverable_errors=ERRORS_MAX),
            # Callers cancel their echo themselves; the default would not hear them for 3 s.
            aec_warmup_duration=None,
            user_away_timeout=None,
        )

    def parts(self) -> dict[str, Any]:
        return {
            "llm": self._model,
            "stt": None,
            "tts": None,
            "vad": None,
            "turn_handling": TURNS,
        }

    def attach(self, session: AgentSession[None], tell: Tell) -> None:
        self._session, self._tell = session, tell
        self.link.gives_up = self.gives_up
        self.link.on_lost, self.link.on_failed = tell.lost, tell.failed
        realtime = self._realtime()
        realtime.on("openai_server_event_received", self._on_event)
        realtime.on("session_reconnected", self._on_reconnected)

    def ping(self) -> None:
        """An update that changes nothing; every server of the protocol confirms it."""
        self._send({"type": "session.update", "session": {"type": "realtime"}})

    def break_off(self) -> None:
        self.link.break_off()

    def ordered(self, instructions: str) -> None:
        self.owed.ordered(instructions)

    def due(self) -> Due | None:
        return self.owed.due()

    def renew_if_due(self, *, is_quiet: bool) -> None:
        over_s = self.link.age_s - self.link.endpoint.renew_after_s
        if (is_quiet and (over_s > 0 or self._wants_renewal)) or over_s > PAUSE_MAX_S:
            self.link.renew()

    def set_voice(self, voice: str) -> bool:
        if voice == self._voice:
            return False
        self._former_voice, self._voice = self._voice, voice
        self._realtime().update_options(voice=voice)
        return True

    def set_temperature(self, temperature: float) -> bool:  # noqa: ARG002 - the protocol's
        return False  # the realtime protocol has no such field any more

    def set_output_tokens(self, tokens: int | None) -> bool:
        self._realtime().update_options(max_response_output_tokens=tokens or "inf")
        return True

    async def aclose(self) -> None:
        await self._model.aclose()

    def _realtime(self) -> RealtimeSession:
        assert self._session, "attach first"
        realtime = self._session.current_agent.realtime_llm_session
        assert isinstance(realtime, RealtimeSession)
        return realtime

    def _send(self, event: dict[str, Any]) -> None:
        self._realtime().send_event(event)

    def _on_event(self, event: dict[str, Any]) -> None:
        assert self._tell
        self._tell.event()
        self.link.unheard.sign_of_life()
        kind = event["type"]
        if kind == "input_audio_buffer.speech_started":
            self._turn_id = event.get("item_id")
            self.link.unheard.turn_began()
        elif kind == "input_audio_buffer.speech_stopped":
            self.link.unheard.turn_ended()
        elif kind.startswith("conversation.item.input_audio_transcription."):
            if kind.endswith(".delta") or event.get("item_id") != self._turn_id:
                return  # of a turn before the last
            self.link.unheard.turn_known()
        elif kind == "response.done":
            self._on_response_done(event)
        elif kind == "error":
            self._on_refusal(event.get("error") or {})
        self.owed.event(event)

    def _on_response_done(self, event: dict[str, Any]) -> None:
        status = (event.get("response") or {}).get("status")
        if status in ("completed", "cancelled"):
            self.link.proved()
            self._retries = 0
        elif status == "failed" and self._retries < RESPONSE_RETRIES_MAX:
            assert self._tell
            self._retries += 1
            due = self.owed.due()
            if due:
                self._tell.back(due)

    def _on_refusal(self, error: dict[str, Any]) -> None:
        """Of a voice that was asked for: it may need a new session, or not be there at all."""
        if not self._former_voice or "voice" not in f"{error.get('code')} {error.get('param')}":
            return
        if error.get("code") == VOICE_IS_FIXED:
            self._wants_renewal = True
            return
        log.info("voice_refused", provider=self.provider)
        self._voice, self._former_voice = self._former_voice, ""
        self._realtime().update_options(voice=self._voice)
        self._wants_renewal = True  # with the refused voice all settings of the session were

    def _on_reconnected(self, _event: object) -> None:
        assert self._tell
        self._wants_renewal = False
        due = self.owed.due()
        if due and due.words:
            self._remember(due.words)
        self._tell.back(due)

    def _remember(self, words: str) -> None:
        """What was heard of an answer that broke off; the plugin keeps whole answers only."""
        content = [{"type": "output_text", "text": words}]
        item = {"type": "message", "role": "assistant", "content": content}
        self._send({"type": "conversation.item.create", "item": item})
