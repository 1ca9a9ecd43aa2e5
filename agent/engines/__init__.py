"""
Which engine speaks a model: the first row whose pattern fits and whose provider has a key.

A new provider of the realtime protocol is one file with an `endpoint` and one row here.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase

import aiohttp

from agent.engines import openai, xai
from agent.engines.endpoint import Endpoint
from agent.engines.pipeline import PipelineEngine, parts_of
from agent.engines.port import Engine, NoEngine
from agent.engines.realtime import RealtimeEngine
from agent.engines.relay import RelayEngine
from agent.settings import AgentSettings
from shared.call_protocol import CallConfig
from shared.clock import Clock

__all__ = ["Engine", "NoEngine", "check_fallback", "endpoint_for", "engine_for"]

Offer = Callable[[str, str, AgentSettings], Endpoint | None]

PIPELINE = "pipeline*"  # models without a realtime API: recognition, chat and speech by REST
REALTIME: tuple[tuple[str, Offer], ...] = (
    ("grok*", xai.endpoint),
    ("*", openai.endpoint),
)


def endpoint_for(model: str, voice: str, settings: AgentSettings) -> Endpoint:
    """Who speaks a realtime model. Raises NoEngine."""
    for pattern, offer in REALTIME:
        found = offer(model, voice, settings) if fnmatchcase(model, pattern) else None
        if found:
            return found
    raise NoEngine(model, needs="OPENAI_API_KEY, or XAI_API_KEY for models named grok...")


def check_fallback(settings: AgentSettings) -> None:
    """Raises NoEngine when AGENT_FALLBACK_MODEL could not speak: found out now, not in a call."""
    model = settings.agent_fallback_model
    if model and is_pipeline(model):
        parts_of(model, settings)
    elif model:
        endpoint_for(model, settings.agent_fallback_voice or "", settings)


def engine_for(
    config: CallConfig, settings: AgentSettings, clock: Clock, http: aiohttp.ClientSession
) -> Engine:
    """
    The engine of one call, to be made inside its job. Raises NoEngine.

    A second realtime model is a second endpoint of one engine; a second model of the other kind is
    an engine of its own, in a relay.
    """
    second = _second(config, settings)
    if is_pipeline(config.model):
        first: Engine = PipelineEngine(config, settings)
    else:
        alike = [second] if second and not is_pipeline(second.model) else []
        endpoints = [endpoint_for(c.model, c.voice, settings) for c in (config, *alike)]
        first = RealtimeEngine(endpoints, clock, http)
    if second is None or is_pipeline(second.model) is is_pipeline(config.model):
        return first
    alone = settings.model_copy(update={"agent_fallback_model": None})
    return RelayEngine(first, lambda: engine_for(second, alone, clock, http))


def is_pipeline(model: str) -> bool:
    return fnmatchcase(model, PIPELINE)


def _second(config: CallConfig, settings: AgentSettings) -> CallConfig | None:
    """The call as the fallback's own."""
    if not settings.agent_fallback_model:
        return None
    voice = settings.agent_fallback_voice or config.voice
    return config.model_copy(update={"model": settings.agent_fallback_model, "voice": voice})
