"""Settings of cloning: who recognises the phrase of a consent, and for how long things are kept."""

from typing import Self

from pydantic import Field, SecretStr, model_validator

from shared.settings import EnvironmentSettings


class CloningSettings(EnvironmentSettings):
    """Without a recogniser nobody can give consent, so nobody can clone."""

    recognition_base_url: str | None = None  # OpenAI's protocol, with /v1
    recognition_api_key: SecretStr | None = None  # a server of one's own may ask for none
    recognition_model: str = Field(default="gpt-4o-mini-transcribe", min_length=1)
    clone_reference_days: int = Field(default=30, ge=1, le=3_650)
    consent_days: int = Field(default=365, ge=1, le=3_650)

    @model_validator(mode="after")
    def _recognition_is_at_a_web_address(self) -> Self:
        url = self.recognition_base_url
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("RECOGNITION_BASE_URL must start with https:// or http://")
        return self
