"""xAI's voice models: OpenAI's protocol under another address."""

from agent.engines.endpoint import Endpoint
from agent.settings import AgentSettings

PROVIDER = "xai"
RENEW_S = 1500.0  # their sessions last 30 minutes


def endpoint(model: str, voice: str, settings: AgentSettings) -> Endpoint | None:
    """None where no key is set."""
    if not settings.xai_api_key:
        return None
    return Endpoint(
        provider=PROVIDER,
        base_url=settings.xai_base_url,
        api_key=settings.xai_api_key,
        model=model,
        voice=voice,
        renew_after_s=settings.agent_session_renew_s or RENEW_S,
    )
