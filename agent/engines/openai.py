"""OpenAI Realtime, and any other server of its protocol under OPENAI_BASE_URL."""

from urllib.parse import urlsplit

from agent.engines.endpoint import Endpoint
from agent.settings import AgentSettings

PROVIDER = "openai"
OPENAI_HOST = "api.openai.com"
OPENAI_RENEW_S = 3300.0  # their sessions last 60 minutes
UNKNOWN_RENEW_S = 540.0  # the shortest limit we know of is 10 minutes


def endpoint(model: str, voice: str, settings: AgentSettings) -> Endpoint | None:
    """None where no key is set."""
    if not settings.openai_api_key:
        return None
    is_theirs = urlsplit(settings.openai_base_url).hostname == OPENAI_HOST
    renew_s = OPENAI_RENEW_S if is_theirs else UNKNOWN_RENEW_S
    return Endpoint(
        provider=PROVIDER,
        base_url=settings.openai_base_url,
        api_key=settings.openai_api_key,
        model=model,
        voice=voice,
        renew_after_s=settings.agent_session_renew_s or renew_s,
    )
