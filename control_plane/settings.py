"""All settings of the web process. No secret has a default; `.env.example` documents each."""

from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from billing.receipt_keys import ReceiptKeySettings
from billing.settings import ChargingSettings
from billing.stripe_settings import StripeSettings
from control_plane.after_calls.settings import AfterCallSettings
from control_plane.audio.settings import AudioSettings
from control_plane.cloning.settings import CloningSettings
from control_plane.daily_stats import StatsSettings
from control_plane.limits.settings import LimitSettings
from control_plane.memories.settings import MemorySettings
from control_plane.objects.settings import ObjectSettings
from control_plane.openai_settings import OpenAiSettings
from control_plane.phone.settings import PhoneSettings
from control_plane.recordings.settings import RecordingSettings
from control_plane.safety.settings import SafetySettings
from control_plane.speech.settings import CacheSettings, RetentionSettings, TextSettings
from control_plane.speech_jobs.settings import SpeechJobSettings
from control_plane.telegram_report import TelegramSettings
from shared.settings import (
    EnvironmentSettings,
    InternalSettings,
    LiveKitSettings,
    PostgresSettings,
    RedisSettings,
    SentrySettings,
)
from shared.tool_protocol import TOOL_NAMES


class SessionSettings(EnvironmentSettings):
    """Whose session tokens we believe: any OIDC issuer, by a shared secret or by its key set."""

    session_jwt_issuer: str = Field(min_length=1)
    session_jwt_audience: str = Field(min_length=1)
    session_jwt_secret: SecretStr | None = Field(
        default=None, min_length=32
    )  # HS256 (RFC 7518 3.2)
    session_jwks_url: str | None = None  # RS256, ES256, EdDSA
    session_role_claim: str = Field(default="app_metadata.role", min_length=1)  # only staff has one
    # Whose truth says that the issuer has verified the e-mail; mail goes to such an address alone.
    session_email_verified_claim: str = Field(default="email_verified", min_length=1)
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


class ApiKeySettings(EnvironmentSettings):
    """Programs' keys. The secret is for ever: with another one every key is worthless."""

    api_key_hmac_secret: SecretStr | None = Field(default=None, min_length=32)


class CallJoinSettings(EnvironmentSettings):
    """What the agent is told, and what whoever closes unused calls has to know, too."""

    call_join_limit_s: int = Field(default=60, ge=5, le=600)  # the caller must join within


class CallSettings(CallJoinSettings):
    """How a call is run, frozen into what its agent is told."""

    call_default_model: str = Field(default="grok-voice-think-fast-1.0", min_length=1)
    call_silence_limit_s: int = Field(default=45, ge=5, le=600)  # mutual silence, then hang up
    call_rejoin_limit_s: int = Field(default=20, ge=1, le=120)  # a lost caller may come back within
    # After so long the agent suggests a break, and again after the same time; unset: never.
    call_break_reminder_s: int | None = Field(default=3_600, ge=1, le=86_400)
    # Two capitals: whose line for people in a crisis is named; unset: the emergency number.
    safety_country: str | None = Field(default=None, pattern="^[A-Z]{2}$")


class CallToolSettings(EnvironmentSettings):
    """What the agent can do in a call besides talking, and which pages it may send a link to."""

    # With commas; remembering is offered where the call may remember.
    call_tools: str = ",".join(TOOL_NAMES)
    # name=address pairs with commas; the agent knows the names, and sends no other address.
    call_links: str = ""

    @property
    def tool_names(self) -> list[str]:
        return [name.strip() for name in self.call_tools.split(",") if name.strip()]

    @property
    def links(self) -> dict[str, str]:
        pairs = [pair.partition("=") for pair in self.call_links.split(",") if pair.strip()]
        return {name.strip(): address.strip() for name, _, address in pairs}

    @field_validator("call_tools")
    @classmethod
    def _are_tools(cls, value: str) -> str:
        for name in filter(None, map(str.strip, value.split(","))):
            if name not in TOOL_NAMES:
                raise ValueError(f"must be of {', '.join(TOOL_NAMES)}, with commas")
        return value

    @field_validator("call_links")
    @classmethod
    def _are_web_addresses(cls, value: str) -> str:
        for pair in filter(str.strip, value.split(",")):
            name, _, address = pair.partition("=")
            if not name.strip() or not address.strip().startswith(("https://", "http://", "/")):
                raise ValueError("must be name=https://... or name=/path pairs with commas")
        return value


class SpeechProviderSettings(EnvironmentSettings):
    """Who makes speech for REST. A provider whose first setting is missing is not offered."""

    gemini_api_key: SecretStr | None = None
    gemini_base_url: str = "https://generativelanguage.googleapis.com"
    replicate_api_token: SecretStr | None = None
    replicate_base_url: str = "https://api.replicate.com"
    xai_api_key: SecretStr | None = None
    xai_base_url: str = "https://api.x.ai/v1"
    mistral_api_key: SecretStr | None = None
    mistral_base_url: str = "https://api.mistral.ai"
    openai_api_key: SecretStr | None = None
    openai_base_url: str = "https://api.openai.com/v1"
    openai_speech_base_url: str | None = None  # of another server than the one for calls ...
    openai_speech_api_key: SecretStr | None = None  # ... which never sees OpenAI's key
    openai_speech_model: str | None = None  # what that server calls its model
    local_voice_url: str | None = None  # of the local stack, with /v1

    @property
    def openai_speech_url(self) -> str | None:
        """Where OpenAI's protocol is spoken; None where nobody does but the local voice."""
        if self.openai_speech_base_url:
            return self.openai_speech_base_url
        if self.openai_api_key is None or self.openai_base_url == self.local_voice_url:
            return None
        return self.openai_base_url


class WebSettings(
    PostgresSettings,
    RedisSettings,
    LiveKitSettings,
    InternalSettings,
    SentrySettings,
    SessionSettings,
    ApiKeySettings,
    CallSettings,
    ChargingSettings,
    ReceiptKeySettings,
    SpeechProviderSettings,
    AudioSettings,
    ObjectSettings,
    LimitSettings,
    CloningSettings,
    RetentionSettings,
    CacheSettings,
    TextSettings,
    MemorySettings,
    RecordingSettings,
    AfterCallSettings,
    CallToolSettings,
    SpeechJobSettings,
    OpenAiSettings,
    StatsSettings,
    TelegramSettings,
    StripeSettings,
    PhoneSettings,
    SafetySettings,
):
    """What the web process composes."""

    # A refused value may be a secret, and the refusal is printed.
    model_config = SettingsConfigDict(hide_input_in_errors=True)
