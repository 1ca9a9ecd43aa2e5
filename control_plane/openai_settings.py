"""Which of our models OpenAI's names stand for."""

from pydantic import field_validator

from control_plane.tts.catalog import MODELS
from shared.settings import EnvironmentSettings


class OpenAiSettings(EnvironmentSettings):
    """What tts-1 and its siblings are; the first model that is offered where nothing is set."""

    openai_alias_model: str | None = None

    @field_validator("openai_alias_model")
    @classmethod
    def _is_ours(cls, value: str | None) -> str | None:
        if value is not None and (value not in MODELS or MODELS[value].is_clone):
            raise ValueError("must be a model of the catalogue that needs no recording")
        return value
