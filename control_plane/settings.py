"""All settings of the web process. No secret has a default; `.env.example` documents each."""

from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from billing.receipt_keys import ReceiptKeySettings
from billing.settings import ChargingSettings
from shared.settings import (
    EnvironmentSettings,
    InternalSettings,
    LiveKitSettings,
    PostgresSettings,
    RedisSettings,
    SentrySettings,
)


class SessionSettings(EnvironmentSettings):
    """Whose session tokens we believe: any OIDC issuer, by a shared secret or by its key set."""

    session_jwt_issuer: str = Field(min_length=1)
    session_jwt_audience: str = Field(min_length=1)
    session_jwt_secret: SecretStr | None = Field(
        default=None, min_length=32
    )  # HS256 (RFC 7518 3.2)
    session_jwks_url: str | None = None  # RS256, ES256, EdDSA
    local_dev: bool = False  # the one-machine stack: /dev/session signs tokens for any e-mail

    @field_validator("session_jwks_url")
    @classmethod
    def _is_web_address(cls, value: str | None) -> str | None:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with https:// or http://")
        return value

    @model_validator(mode="after")
    def _has_a_key(self) -> Self:
        if self.session_jwt_secret is None and self.session_jwks_url is None:
            raise ValueError("set SESSION_JWT_SECRET or SESSION_JWKS_URL")
        if self.local_dev and self.session_jwt_secret is None:
            raise ValueError("LOCAL_DEV needs SESSION_JWT_SECRET to sign its tokens with")
        return self


class CallSettings(EnvironmentSettings):
    """How a call is run, frozen into what its agent is told."""

    call_default_model: str = Field(default="grok-voice-think-fast-1.0", min_length=1)
    call_silence_limit_s: int = Field(default=45, ge=5, le=600)  # mutual silence, then hang up
    call_join_limit_s: int = Field(default=60, ge=5, le=600)  # the caller must join within
    call_rejoin_limit_s: int = Field(default=20, ge=1, le=120)  # a lost caller may come back within


class WebSettings(
    PostgresSettings,
    RedisSettings,
    LiveKitSettings,
    InternalSettings,
    SentrySettings,
    SessionSettings,
    CallSettings,
    ChargingSettings,
    ReceiptKeySettings,
):
    """What the web process composes."""

    # A refused value may be a secret, and the refusal is printed.
    model_config = SettingsConfigDict(hide_input_in_errors=True)
