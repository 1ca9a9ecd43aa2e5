"""
Settings of the agent worker, from the environment. It asks for no database and no price.

    CONTROL_PLANE_URL  INTERNAL_TOKEN  LIVEKIT_URL  LIVEKIT_API_KEY  LIVEKIT_API_SECRET
    OPENAI_API_KEY [OPENAI_BASE_URL]  XAI_API_KEY [XAI_BASE_URL]     at least one of the keys
    AGENT_PROCESSES  AGENT_CALLS_PER_PROCESS  AGENT_CALLS_PER_RENEWAL
    AGENT_JOURNAL_DIR  AGENT_DRAIN_S
"""

import os
from pathlib import Path

from pydantic import Field, SecretStr, field_validator, model_validator

from agent.journal import CELLS_MAX
from shared.settings import InternalSettings, LiveKitSettings

CELLS_PER_CORE = 2  # with four calls each: 8 calls a core at 0.08 core a call, and headroom


class AgentSettings(LiveKitSettings, InternalSettings):
    """One class, so that every missing name is reported at once."""

    control_plane_url: str
    openai_api_key: SecretStr | None = None
    openai_base_url: str = "https://api.openai.com/v1"
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
