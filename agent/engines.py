"""Which provider speaks a model, and the LiveKit model object for it."""

from dataclasses import dataclass
from typing import cast

import aiohttp
from livekit.agents.utils import http_context
from livekit.plugins.openai.realtime import RealtimeModel
from openai.types.realtime.realtime_audio_input_turn_detection import ServerVad
from pydantic import SecretStr

from agent.provider_link import PingingSession
from agent.settings import AgentSettings
from shared.call_protocol import CallConfig

# The provider hears when the caller stops. Values as in the API's own documentation; a shorter
# silence cuts people off who think while they speak.
TURN_SILENCE_MS = 500
TURN_PREFIX_MS = 300
TURN_THRESHOLD = 0.5


class NoEngine(Exception):
    """No configured provider speaks this model."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Where a model is spoken."""

    provider: str
    base_url: str
    api_key: SecretStr


def engine_for(model: str, settings: AgentSettings) -> Engine:
    """XAI for its own models when its key is set, else the OpenAI-compatible one."""
    if settings.xai_api_key and model.startswith("grok"):
        return Engine("xai", settings.xai_base_url, settings.xai_api_key)
    if settings.openai_api_key:
        return Engine("openai", settings.openai_base_url, settings.openai_api_key)
    raise NoEngine(model)


def realtime_model(config: CallConfig, settings: AgentSettings) -> RealtimeModel:
    """The speech-to-speech model of one call, to be made inside its job. Raises NoEngine."""
    engine = engine_for(config.model, settings)
    return RealtimeModel(
        model=config.model,
        voice=config.voice,
        base_url=engine.base_url,
        api_key=engine.api_key.get_secret_value(),
        http_session=cast("aiohttp.ClientSession", PingingSession(http_context.http_session())),
        turn_detection=ServerVad(
            type="server_vad",
            threshold=TURN_THRESHOLD,
            prefix_padding_ms=TURN_PREFIX_MS,
            silence_duration_ms=TURN_SILENCE_MS,
            create_response=True,
            interrupt_response=True,
        ),
    )
