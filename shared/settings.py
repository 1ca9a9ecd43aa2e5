"""
Settings by the names each ecosystem already knows, read from the environment only.

Every process composes the classes it needs, so the agent never asks for a database. No secret has
a default: a missing one stops the process with its name. `.env.example` documents them all.
"""

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class EnvironmentSettings(BaseSettings):
    """An empty variable counts as unset, as in every shell script people deploy with."""

    model_config = SettingsConfigDict(
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,  # the input is a secret as often as not
    )


class PostgresSettings(EnvironmentSettings):
    database_url: SecretStr
    database_pool_max: int = Field(default=8, ge=1, le=100)  # 4-8 carry 40k settles/s (measured)


class RedisSettings(EnvironmentSettings):
    redis_url: SecretStr | None = None  # without it: no push hints, limits per process


class LiveKitSettings(EnvironmentSettings):
    livekit_url: str
    livekit_api_key: str
    livekit_api_secret: SecretStr
    # What browsers dial, when it differs from what our own processes dial.
    livekit_public_url: str | None = None

    @field_validator("livekit_url", "livekit_public_url")
    @classmethod
    def _is_websocket_url(cls, value: str | None) -> str | None:
        if value and not value.startswith(("ws://", "wss://")):
            raise ValueError("must start with ws:// or wss://")
        return value

    @property
    def http_url(self) -> str:
        """The same server's API address."""
        return "http" + self.livekit_url.removeprefix("ws")

    @property
    def browser_url(self) -> str:
        return self.livekit_public_url or self.livekit_url


class InternalSettings(EnvironmentSettings):
    """The credential of agent workers on /internal/v1."""

    internal_token: SecretStr = Field(min_length=16)


class SentrySettings(EnvironmentSettings):
    sentry_dsn: SecretStr | None = None  # without it nothing is ever sent anywhere


def key_for_sdk(key: SecretStr | None) -> str:
    """The key of a server that may want none: without one an SDK looks in the environment."""
    return key.get_secret_value() if key else "none"
