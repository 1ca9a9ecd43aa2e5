"""
One file a provider, and one line a provider in `REGISTRY`.

The file has `open_provider(settings) -> Provider`. It is imported only when its provider is
offered: together the SDKs take more than a second and 100 MB.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from control_plane.settings import SpeechProviderSettings
from control_plane.tts.port import Provider

# The setting that switches a provider on, and its module.
REGISTRY: Final[Mapping[str, str]] = {
    "gemini_api_key": "control_plane.tts.providers.gemini",
    "replicate_api_token": "control_plane.tts.providers.replicate_models",
    "xai_api_key": "control_plane.tts.providers.xai",
    "mistral_api_key": "control_plane.tts.providers.mistral",
    "openai_speech_url": "control_plane.tts.providers.openai_compatible",
    "local_voice_url": "control_plane.tts.providers.local",
}


def open_providers(
    settings: SpeechProviderSettings, registry: Mapping[str, str] = REGISTRY
) -> dict[str, Provider]:
    """The offered ones by their names; each is to be closed."""
    opened: dict[str, Provider] = {}
    for switch, module in registry.items():
        if getattr(settings, switch):
            provider: Provider = import_module(module).open_provider(settings)
            opened[provider.name] = provider
    return opened
