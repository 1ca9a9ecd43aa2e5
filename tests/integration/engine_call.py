"""Our own conversation with an engine of ours and the local voice, without a room."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import aiohttp
from livekit import rtc
from livekit.agents import ConversationItemAddedEvent  # noqa: TID251 - what the agent is made of
from livekit.agents.llm import RawFunctionTool  # noqa: TID251
from livekit.agents.voice import io  # noqa: TID251
from pydantic import SecretStr

from agent.config_updates import ConfigUpdates
from agent.conversation import Conversation
from agent.engines import engine_for
from agent.engines.endpoint import Endpoint
from agent.engines.pipeline import PipelineEngine
from agent.engines.port import Engine
from agent.engines.realtime import RealtimeEngine
from agent.settings import AgentSettings
from agent.voice_output import VoiceOutput, cut_text
from shared.call_protocol import CallConfig
from shared.clock import SystemClock
from tests import agent_calls
from tests.integration.voice_call import DEADLINE_S, Loudspeaker, Microphone
from tests.integration.voice_wire import VoiceProcess

Tools = Sequence[RawFunctionTool[..., Any]]

CHECK_EVERY_S = 0.05
RENEW_NEVER_S = 3600.0
GREETING = 'Greet the caller: "Hello, this is your demo voice."'


class Speaker(Loudspeaker):
    """Cuts the text where the voice was cut, as the real output does."""

    def __init__(self) -> None:
        super().__init__()
        self._text = ""

    def begin_text(self) -> None:
        self._text = ""

    def note_text(self, delta: str) -> None:
        self._text += delta

    def on_playback_finished(self, **end: Any) -> None:
        if end["interrupted"] and self._given_before_s:
            heard = end["playback_position"] / self._given_before_s
            end["synchronized_transcript"] = cut_text(self._text, heard)
        super().on_playback_finished(**end)

    def _finish(self, *, interrupted: bool) -> None:
        self._given_before_s = self._given_s
        super()._finish(interrupted=interrupted)


class Page(io.TextOutput):
    """Captions as they come."""

    def __init__(self) -> None:
        super().__init__(label="page", next_in_chain=None)
        self.text = ""

    async def capture_text(self, text: str) -> None:
        self.text += str(text)

    def flush(self) -> None:
        self.text += "\n"


class EngineCall:
    """A running conversation. `told`: down, up, late, failed, in order."""

    def __init__(
        self,
        engine: Engine,
        config: CallConfig,
        tools: Tools = (),
    ) -> None:
        self.engine, self.config = engine, config
        self.told: list[str] = []
        self.items: list[tuple[str, str, bool]] = []  # who, what, interrupted
        self.microphone, self.loudspeaker, self.page = Microphone(), Speaker(), Page()
        self.clock = SystemClock()
        self.conversation = Conversation(
            room=cast("rtc.Room", None),  # `join` would need one
            config=config,
            clock=self.clock,
            engine=engine,
            voice=cast("VoiceOutput", self.loudspeaker),
            on_item=self._on_item,
            on_down=lambda: self.told.append("down"),
            on_up=lambda: self.told.append("up"),
            on_failed=lambda: self.told.append("failed"),
            on_late=lambda: self.told.append("late"),
            tools=tools,
        )

    @property
    def engine_connections(self) -> int:
        assert isinstance(self.engine, RealtimeEngine)
        return self.engine.link.connections

    def said(self, role: str) -> list[str]:
        return [words for who, words, _ in self.items if who == role]

    async def until(self, condition: Any, *, timeout_s: float = DEADLINE_S) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.01)

    async def quiet(self) -> None:
        """Until the agent has said all it has to say."""
        await self.until(lambda: not self.conversation.someone_speaks)

    async def ask(self, phrase: str) -> str:
        """Say a phrase; the words of the answer, once it was spoken."""
        before = len(self.said("assistant"))
        self.microphone.say(phrase)
        await self.until(lambda: len(self.said("assistant")) > before)
        return self.said("assistant")[-1]

    async def update(self, **changes: Any) -> dict[str, Any]:
        """As the caller's page asks for it."""
        conversation = self.conversation
        updates = ConfigUpdates(
            self.config,
            conversation,
            self.engine,
            conversation.instructions,
            conversation.opened,
        )
        invocation = rtc.RpcInvocationData(
            "r1", self.config.caller_identity, json.dumps(changes), 1.0
        )
        answer: dict[str, Any] = json.loads(await updates.handle(invocation))
        return answer

    async def watch(self) -> None:
        while True:
            self.conversation.check(self.clock.monotonic())
            await asyncio.sleep(CHECK_EVERY_S)

    def _on_item(self, event: ConversationItemAddedEvent) -> None:
        if event.item.type == "message" and event.item.text_content:
            role, words = event.item.role, event.item.text_content
            self.items.append((role, words, event.item.interrupted))


def endpoint(base_url: str, **changes: Any) -> Endpoint:
    values: dict[str, Any] = {
        "provider": "local",
        "base_url": base_url,
        "api_key": SecretStr("none"),
        "model": "local-voice",
        "voice": "Ara",
        "renew_after_s": RENEW_NEVER_S,
    }
    return Endpoint(**values | changes)


def call_config(**changes: Any) -> CallConfig:
    """Of a call with the local voice."""
    usual = {
        "model": "local-voice",
        "voice": "Ara",
        "instructions": "Be kind.",
        "greeting": GREETING,
    }
    return agent_calls.call_config(**usual | changes)


@asynccontextmanager
async def realtime_call(
    *endpoints: Endpoint, tools: Tools = (), **changes: Any
) -> AsyncIterator[EngineCall]:
    async with aiohttp.ClientSession() as http:
        engine = RealtimeEngine(cast("Sequence[Endpoint]", endpoints), SystemClock(), http)
        async with _running(EngineCall(engine, call_config(**changes), tools)) as call:
            yield call


@asynccontextmanager
async def pipeline_call(
    voice: VoiceProcess, *, tools: Tools = (), **changes: Any
) -> AsyncIterator[EngineCall]:
    config = call_config(model="pipeline", **changes)
    engine = PipelineEngine(config, agent_settings(voice))
    async with _running(EngineCall(engine, config, tools)) as call:
        yield call


@asynccontextmanager
async def relayed_call(voice: VoiceProcess, first: str, second: str) -> AsyncIterator[EngineCall]:
    """Begun by the first model; the second one is its fallback."""
    config = call_config(model=first)
    settings = agent_settings(voice, agent_fallback_model=second)
    async with aiohttp.ClientSession() as http:
        engine = engine_for(config, settings, SystemClock(), http)
        async with _running(EngineCall(engine, config)) as call:
            yield call


def agent_settings(voice: VoiceProcess, **changes: Any) -> AgentSettings:
    """Every model is the local voice's."""
    usual = {
        "openai_api_key": SecretStr("none"),
        "openai_base_url": voice.base_url,
        "recognition_base_url": None,
        "text_base_url": None,
        "openai_speech_base_url": None,
    }
    return agent_calls.agent_settings(**usual | changes)


@asynccontextmanager
async def _running(call: EngineCall) -> AsyncIterator[EngineCall]:
    call.conversation.session.input.audio = call.microphone
    watching = None
    try:
        await call.conversation.begin()
        await call.conversation.open()
        call.conversation.captions.attach(call.page)
        watching = asyncio.create_task(call.watch())
        yield call
    finally:
        if watching:
            watching.cancel()
        await call.conversation.close()
