"""How memories are compared and how many of them a call is told."""

from typing import Self

from pydantic import Field, SecretStr, model_validator

from shared.settings import EnvironmentSettings


class MemorySettings(EnvironmentSettings):
    """Any server of OpenAI's /embeddings; without one vectors are hashes of words and letters."""

    embedding_model: str | None = None
    embedding_base_url: str | None = None  # OpenAI's own when unset
    embedding_api_key: SecretStr | None = None
    memories_max: int = Field(default=150, ge=1, le=2_000)  # of one character; upstream's
    memory_tokens_max: int = Field(default=600, ge=50, le=4_000)  # paid for at every turn

    @model_validator(mode="after")
    def _has_a_model(self) -> Self:
        if self.embedding_base_url and not self.embedding_model:
            raise ValueError("EMBEDDING_BASE_URL needs EMBEDDING_MODEL")
        return self
