"""What an agent without a control plane is told and set to, for tests of its parts."""

from typing import Any
from uuid import uuid4

from pydantic import SecretStr

from agent.settings import AgentSettings
from shared.call_protocol import CallConfig


def call_config(**changes: Any) -> CallConfig:
    values: dict[str, Any] = {
        "call_id": uuid4(),
        "epoch": 1,
        "seconds": 0,
        "granted_seconds": 60,
        "final_unit": False,
        "free_limited": False,
        "room_name": "ro-1",
        "caller_identity": "human",
        "model": "m",
        "voice": "ara",
        "language": "en",
        "instructions": "You are Ara.",
        "greeting": "Greet.",
        "temperature": None,
        "max_output_tokens": None,
        "instructions_locked": False,
        "silence_limit_s": 60,
        "join_limit_s": 20,
        "rejoin_limit_s": 10,
    }
    return CallConfig(**values | changes)


def agent_settings(**changes: Any) -> AgentSettings:
    values: dict[str, Any] = {
        "livekit_url": "ws://livekit",
        "livekit_api_key": "key",
        "livekit_api_secret": SecretStr("secret"),
        "internal_token": SecretStr("x" * 16),
        "control_plane_url": "http://control",
        "openai_api_key": SecretStr("openai"),
    }
    return AgentSettings(**values | changes)
