"""How long audio is kept, and who helps to write texts."""

from typing import Self

from pydantic import Field, SecretStr, model_validator

from shared.settings import EnvironmentSettings


class RetentionSettings(EnvironmentSettings):
    """Days. Audio goes when no history of anybody refers to it, and not before its own time."""

    audio_keep_days: int = Field(default=30, ge=1, le=3_650)  # also without a history: the cache
    audio_free_history_days: int = Field(default=30, ge=1, le=3_650)  # then deleted, restorably
    audio_free_drop_days: int = Field(default=45, ge=1, le=3_650)  # since made, then for good

    @model_validator(mode="after")
    def _deletes_before_it_drops(self) -> Self:
        if self.audio_free_drop_days < self.audio_free_history_days:
            raise ValueError("AUDIO_FREE_DROP_DAYS is less than AUDIO_FREE_HISTORY_DAYS")
        return self


class CacheSettings(EnvironmentSettings):
    """For so long a hit with everybody's voice is repeated by a process that does not ask again."""

    cache_believed_s: float = Field(default=5.0, ge=0, le=60)


class TextSettings(EnvironmentSettings):
    """Any OpenAI-compatible chat model. Without a model there is no help."""

    text_model: str | None = None
    text_base_url: str | None = None  # OpenAI's own when unset
    text_api_key: SecretStr | None = None
