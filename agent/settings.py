"""
Settings of the agent worker, from the environment. It asks for no database and no price.

    CONTROL_PLANE_URL  INTERNAL_TOKEN  LIVEKIT_URL  LIVEKIT_API_KEY  LIVEKIT_API_SECRET
    OPENAI_API_KEY [OPENAI_BASE_URL]  XAI_API_KEY [XAI_BASE_URL]     at least one of the keys
    AGENT_PROCESSES  AGENT_CALLS_PER_PROCESS  AGENT_CALLS_PER_RENEWAL
    AGENT_JOURNAL_DIR  AGENT_DRAIN_S
    AGENT_SESSION_RENEW_S  AGENT_FALLBACK_MODEL  AGENT_FALLBACK_VOICE
    RECOGNITION_*  TEXT_*  OPENAI_SPEECH_*       the parts of the pipeline engine
    MODERATION_BASE_URL  MODERATION_API_KEY  MODERATION_MODEL     off without an address
    AGENT_MCP_SERVERS                            tools of other people's servers; off without it
"""

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, SecretStr, field_validator, model_validator

from agent.journal import CELLS_MAX
from agent.tools.mcp.settings import McpServers
from shared.settings import EnvironmentSettings, InternalSettings, LiveKitSettings, key_for_sdk

CELLS_PER_CORE = 2  # with four calls each: 8 calls a core at 0.08 core a call, and headroom


@dataclass(frozen=True, slots=True)
class ModelServer:
    """One model of an OpenAI-compatible server."""

    base_url: str
    key: str
    model: str


class PipelineSettings(EnvironmentSettings):
    """
    Where the pipeline engine's three models are; the names are those of the web process.

    What has no address of its own is at OPENAI_BASE_URL. A server with an address of its own never
    sees OpenAI's key.
    """

    openai_api_key: SecretStr | None = None
    openai_base_url: str = "https://api.openai.com/v1"
    recognition_base_url: str | None = None
    recognition_api_key: SecretStr | None = None
    recognition_model: str = "gpt-4o-mini-transcribe"
    text_base_url: str | None = None
    text_api_key: SecretStr | None = None
    text_model: str | None = None
    openai_speech_base_url: str | None = None
    openai_speech_api_key: SecretStr | None = None
    openai_speech_model: str | None = None

    @property
    def pipeline_recognition(self) -> ModelServer | None:
        return self._server(
            self.recognition_base_url, self.recognition_api_key, self.recognition_model
        )

    @property
    def pipeline_text(self) -> ModelServer | None:
        return self._server(
            self.text_base_url, self.text_api_key, self.text_model or "gpt-4.1-mini"
        )

    @property
    def pipeline_speech(self) -> ModelServer | None:
        model = self.openai_speech_model or "gpt-4o-mini-tts"
        return self._server(self.openai_speech_base_url, self.openai_speech_api_key, model)

    def _server(self, url: str | None, key: SecretStr | None, model: str) -> ModelServer | None:
        """None where nobody is configured. Servers of one's own often want no key."""
        if url:
            return ModelServer(url, key_for_sdk(key), model)
        if self.openai_api_key:
            return ModelServer(self.openai_base_url, self.openai_api_key.get_secret_value(), model)
        return None


class ModerationSettings(EnvironmentSettings):
    """Any server of OpenAI's POST /v1/moderations: it is sent what callers say, so it is off."""

    moderation_base_url: str | None = None
    moderation_api_key: SecretStr | None = None
    moderation_model: str = "omni-moderation-latest"

    @property
    def moderation(self) -> ModelServer | None:
        if self.moderation_base_url is None:
            return None
        key = key_for_sdk(self.moderation_api_key)
        return ModelServer(self.moderation_base_url, key, self.moderation_model)


class AgentSettings(LiveKitSettings, InternalSettings, PipelineSettings, ModerationSettings):
    """One class, so that every missing name is reported at once."""

    control_plane_url: str
    xai_api_key: SecretStr | None = None
    xai_base_url: str = "https://api.x.ai/v1"
    agent_processes: int = Field(
        default_factory=lambda: CELLS_PER_CORE * (os.cpu_count() or 1), ge=1, le=CELLS_MAX
    )
    # How many calls one crash may end. Money never depends on it.
    agent_calls_per_process: int = Field(default=4, ge=1, le=32)
    # The media engine keeps 0.2-0.5 MB of each call it has held (measured, without our code too).
    # After so many calls a process lets its last one finish and is forked anew.
    agent_calls_per_renewal: int = Field(default=200, ge=1)
    agent_journal_dir: Path = Path(".local/journal")  # on a local disk, shared by one machine
    agent_drain_s: int = Field(default=3600, ge=0)  # how long calls may go on after SIGTERM

    # One session of a provider may last so long; 0: what we know of the provider.
    agent_session_renew_s: float = Field(default=0, ge=0)
    # Speaks on when the model of a call cannot: any other model, with a voice of its own.
    agent_fallback_model: str | None = None
    agent_fallback_voice: str | None = None
    # Tools of other people's servers, offered in calls; agent/tools/mcp/settings.py has the form.
    agent_mcp_servers: McpServers = ()

    @field_validator("control_plane_url", "openai_base_url", "xai_base_url")
    @classmethod
    def _is_http_url(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _some_provider(self) -> "AgentSettings":
        if not self.openai_api_key and not self.xai_api_key:
            raise ValueError("set OPENAI_API_KEY or XAI_API_KEY: without one nobody can speak")
        return self

    @property
    def slots(self) -> int:
        """Calls the whole worker group offers to hold."""
        return self.agent_processes * self.agent_calls_per_process
