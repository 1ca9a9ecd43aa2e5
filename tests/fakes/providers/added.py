"""All it takes to add a provider: this file, and a line in the registry."""

from pydantic import SecretStr

from control_plane.settings import SpeechProviderSettings
from control_plane.tts.port import Provider
from control_plane.tts.providers.openai_compatible import OpenAiSpeech


class AddedSettings(SpeechProviderSettings):
    added_api_key: SecretStr | None = None
    added_base_url: str = ""


def open_provider(settings: AddedSettings) -> Provider:
    assert settings.added_api_key is not None
    return OpenAiSpeech(
        name="added",
        base_url=settings.added_base_url,
        api_key=settings.added_api_key.get_secret_value(),
    )
