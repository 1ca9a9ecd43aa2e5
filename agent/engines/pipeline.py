"""
Recognition, a chat model and speech, each any OpenAI-compatible server, with Silero's VAD.

For models without a realtime API. There is no session to lose: each question has a link of its own
that asks until it is answered (`model_link.py`). What is left to do here: an answer of the chat
model that broke off goes on where it stopped, and one that failed is asked for again.
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx2

# At import time, which is before the worker forks: plugins register in the main thread only.
from livekit.agents import (
    AgentSession,
    AgentStateChangedEvent,
    APIConnectOptions,
    ConversationItemAddedEvent,
    ErrorEvent,
)
from livekit.agents.voice.agent_session import SessionConnectOptions
from livekit.agents.voice.turn import TurnHandlingOptions
from livekit.plugins import silero
from livekit.plugins.openai import LLM, STT, TTS
from openai import AsyncOpenAI

from agent.engines.model_link import ModelLink
from agent.engines.port import ERRORS_MAX, NoEngine, Tell
from agent.engines.reach import Reach
from agent.owed_answer import Due
from agent.settings import AgentSettings, ModelServer
from shared.call_protocol import CallConfig
from shared.languages import base_of
from shared.log import get_logger

log = get_logger(__name__)

PROVIDER = "pipeline"
NEEDS = "OPENAI_API_KEY, or RECOGNITION_BASE_URL, TEXT_BASE_URL and OPENAI_SPEECH_BASE_URL"
TURN_SILENCE_S = 0.5  # as the realtime engine's
ONCE = APIConnectOptions(max_retry=0)  # the link asks again by itself
RETRY_AFTER_S = 0.7
FAILURES_MAX = 4  # of one kind, without a success in between: the model is not there for us
RECOGNITION_MAX_S = 20.0  # who speaks for minutes is not understood in seconds
DEFAULT_TOKENS_MAX = 400  # about two minutes of speech
TURNS: TurnHandlingOptions = {
    "turn_detection": "vad",
    "interruption": {"mode": "vad", "resume_false_interruption": False},
    "endpointing": {"min_delay": 0.0},
}


@dataclass(slots=True)
class PipelineEngine:
    config: CallConfig
    settings: AgentSettings
    reach: Reach = field(default_factory=Reach)
    gives_up: bool = False
    _clients: list[AsyncOpenAI] = field(default_factory=list)
    _stt: STT = field(init=False)
    _llm: LLM = field(init=False)
    _tts: TTS = field(init=False)
    _session: AgentSession[None] | None = None
    _tell: Tell | None = None
    _order: str = ""
    _voice: str = ""
    _former_voice: str = ""
    _has_failed: bool = False  # an answer, and it was not asked for again yet
    _broken_words: str = ""  # what was said of it
    _retry: asyncio.TimerHandle | None = None
    _failures: Counter[str] = field(default_factory=Counter)  # by the part that failed

    def __post_init__(self) -> None:
        ears, mind, mouth = parts_of(self.config.model, self.settings)
        self._voice = self.config.voice
        self._stt = STT(
            language=base_of(self.config.language),
            model=ears.model,
            client=self._client(ears, ModelLink(self.reach, attempt_max_s=RECOGNITION_MAX_S)),
            use_realtime=False,
        )
        self._llm = LLM(
            model=mind.model,
            client=self._client(mind, ModelLink(self.reach)),
            temperature=1.0 if self.config.temperature is None else self.config.temperature,
            max_completion_tokens=self.config.max_output_tokens or DEFAULT_TOKENS_MAX,
        )
        self._tts = TTS(
            model=mouth.model,
            voice=self._voice,
            client=self._client(mouth, self._speech_link()),
            response_format="pcm",
        )

    @property
    def provider(self) -> str:
        return PROVIDER

    def new_session(self) -> AgentSession[None]:
        return AgentSession(
            stt=self._stt,
            llm=self._llm,
            tts=self._tts,
            vad=silero.VAD.load(min_silence_duration=TURN_SILENCE_S),
            turn_handling=TURNS,
            conn_options=SessionConnectOptions(
                stt_conn_options=ONCE,
                llm_conn_options=ONCE,
                tts_conn_options=ONCE,
                max_unrecoverable_errors=ERRORS_MAX,
            ),
            aec_warmup_duration=None,
            user_away_timeout=None,
        )

    def parts(self) -> dict[str, Any]:
        return {
            "stt": self._stt,
            "llm": self._llm,
            "tts": self._tts,
            "vad": silero.VAD.load(min_silence_duration=TURN_SILENCE_S),
            "turn_handling": TURNS,
        }

    def attach(self, session: AgentSession[None], tell: Tell) -> None:
        self._session, self._tell = session, tell
        self.reach.gives_up = self.gives_up
        self.reach.on_lost, self.reach.on_answered = tell.lost, tell.event
        self.reach.on_refused = self._on_refused
        session.on("error", self._on_error)
        session.on("conversation_item_added", self._on_item)
        session.on("agent_state_changed", self._on_agent_state)

    def ping(self) -> None:
        """There is no connection that could be dead; what waits for an answer says so itself."""
        assert self._tell
        if not (self.reach.is_troubled or self._has_failed):
            self._tell.event()

    def break_off(self) -> None:
        """The answer that does not come is asked for again, unless it is being asked for."""
        if not self.reach.is_asking:
            self._ask_again()

    def ordered(self, instructions: str) -> None:
        self._order = instructions

    def due(self) -> Due | None:
        """Words of the caller that no one has recognized are lost with the recognition."""
        if self._broken_words:
            return Due(words=self._broken_words)
        said = self._session.history.messages() if self._session else []
        is_owed = self._order or (said and said[-1].role == "user")
        return Due(instructions=self._order) if is_owed else None

    def renew_if_due(self, *, is_quiet: bool) -> None:
        """There is no session of a provider to renew."""

    def set_voice(self, voice: str) -> bool:
        if voice == self._voice:
            return False
        self._former_voice, self._voice = self._voice, voice
        self._tts.update_options(voice=voice)
        return True

    def set_temperature(self, temperature: float) -> bool:
        self._llm._opts.temperature = temperature  # noqa: SLF001 - it has no method for it
        return True

    def set_output_tokens(self, tokens: int | None) -> bool:
        options = self._llm._opts  # noqa: SLF001 - it has no method for it
        options.max_completion_tokens = tokens or DEFAULT_TOKENS_MAX
        return True

    async def aclose(self) -> None:
        if self._retry:
            self._retry.cancel()
        for part in (self._stt, self._llm, self._tts):
            await part.aclose()
        for client in self._clients:
            await client.close()

    def _speech_link(self) -> ModelLink:
        return ModelLink(self.reach, prepare=_as_sound, amend=self._in_former_voice, resumes=True)

    def _client(self, server: ModelServer, link: ModelLink) -> AsyncOpenAI:
        http = httpx2.AsyncClient(transport=link)
        client = AsyncOpenAI(
            base_url=server.base_url, api_key=server.key, max_retries=0, http_client=http
        )
        self._clients.append(client)
        return client

    def _in_former_voice(self, body: bytes) -> bytes | None:
        """A sentence that was rejected, perhaps for a voice that is not there."""
        wanted = json.loads(body)
        if not self._former_voice or wanted.get("voice") != self._voice:
            return None
        log.info("voice_refused", provider=PROVIDER)
        self._voice, self._former_voice = self._former_voice, ""
        self._tts.update_options(voice=self._voice)
        return json.dumps({**wanted, "voice": self._voice}).encode()

    def _on_refused(self, code: str) -> None:
        assert self._tell
        log.warning("provider_refused", provider=PROVIDER, code=code)
        self._tell.failed()

    def _on_item(self, event: ConversationItemAddedEvent) -> None:
        self._order = ""
        item = event.item
        if item.type == "message" and item.role == "assistant" and self._has_failed:
            self._broken_words = item.text_content or ""
        elif item.type == "message" and item.role == "user":
            self._failures["stt_error"] = 0
            self._has_failed, self._broken_words = False, ""  # they have gone on to something else

    def _on_agent_state(self, event: AgentStateChangedEvent) -> None:
        if event.new_state == "speaking":
            self._failures["llm_error"] = self._failures["tts_error"] = 0

    def _on_error(self, event: ErrorEvent) -> None:
        assert self._tell
        kind = event.error.type
        log.info("pipeline_error", kind=kind, provider=PROVIDER)
        if event.error.recoverable:
            return
        self._failures[kind] += 1
        if self._failures[kind] >= FAILURES_MAX:
            self._tell.failed()
        elif kind != "stt_error":  # words that were not understood cannot be answered
            self._has_failed = True
            self._tell.lost()
            self._retry_later()

    def _retry_later(self) -> None:
        if self._retry:
            self._retry.cancel()
        self._retry = asyncio.get_running_loop().call_later(RETRY_AFTER_S, self._retry_now)

    def _retry_now(self) -> None:
        self._retry = None
        if not self._has_failed or not self._session:
            return
        if self._session.current_speech:  # to the end of what there is
            self._retry_later()
        else:
            self._ask_again()

    def _ask_again(self) -> None:
        assert self._tell
        words, self._broken_words, self._has_failed = self._broken_words, "", False
        self._tell.back(Due(words=words) if words else Due(instructions=self._order))


def parts_of(model: str, settings: AgentSettings) -> tuple[ModelServer, ModelServer, ModelServer]:
    """Recognition, chat and speech. Raises NoEngine unless there are all three."""
    ears, mind, mouth = (
        settings.pipeline_recognition,
        settings.pipeline_text,
        settings.pipeline_speech,
    )
    if not (ears and mind and mouth):
        raise NoEngine(model, needs=NEEDS)
    return ears, mind, mouth


def _as_sound(body: bytes) -> bytes:
    """The plugin asks for events, of which nothing could be resumed in the middle."""
    return json.dumps({**json.loads(body), "stream_format": "audio"}).encode()
