"""Every provider with the server of its protocol, opened as in production."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from control_plane.settings import SpeechProviderSettings
from control_plane.tts.catalog import MODELS, SpeechModel
from control_plane.tts.port import Provider, Utterance
from control_plane.tts.providers import REGISTRY, open_providers
from tests.fakes.providers import recordings
from tests.fakes.providers.added import AddedSettings
from tests.fakes.providers.gemini import GeminiServer
from tests.fakes.providers.mistral import MistralServer
from tests.fakes.providers.openai_speech import OpenAiServer
from tests.fakes.providers.replicate import ReplicateServer
from tests.fakes.providers.server import ProviderServer
from tests.fakes.providers.xai import XaiServer

KEY = "key-that-nobody-may-see-7f3a"
TEXT = "Sentence that nobody may read in a log."
REGISTRY_OF_TESTS = {**REGISTRY, "added_api_key": "tests.fakes.providers.added"}


@dataclass(frozen=True, slots=True)
class Case:
    """`settings` of a base URL switch exactly this provider on."""

    provider: str
    model: SpeechModel
    server: Callable[[], ProviderServer]
    settings: Callable[[str], dict[str, Any]] = field(repr=False)
    has_key: bool = True

    @property
    def id(self) -> str:
        return f"{self.provider}-{self.model.id}"

    @property
    def utterance(self) -> Utterance:
        return utterance_of(self.model)


CASES = (
    Case(
        "gemini",
        MODELS["gpro"],
        GeminiServer,
        lambda url: {"gemini_api_key": KEY, "gemini_base_url": url},
    ),
    Case(
        "replicate",
        MODELS["orpheus"],
        ReplicateServer,
        lambda url: {"replicate_api_token": KEY, "replicate_base_url": url},
    ),
    Case(
        "replicate",
        MODELS["chatterbox-multilingual"],
        ReplicateServer,
        lambda url: {"replicate_api_token": KEY, "replicate_base_url": url},
    ),
    Case(
        "xai",
        MODELS["xai"],
        XaiServer,
        lambda url: {"xai_api_key": KEY, "xai_base_url": f"{url}/v1"},
    ),
    Case(
        "mistral",
        MODELS["voxtral"],
        MistralServer,
        lambda url: {"mistral_api_key": KEY, "mistral_base_url": url},
    ),
    Case(
        "openai",
        MODELS["openai"],
        OpenAiServer,
        lambda url: {"openai_api_key": KEY, "openai_base_url": f"{url}/v1"},
    ),
    Case(
        "local",
        MODELS["local"],
        OpenAiServer,
        lambda url: {"local_voice_url": f"{url}/v1"},
        has_key=False,
    ),
    Case(
        "added",
        MODELS["openai"],
        OpenAiServer,
        lambda url: {"added_api_key": KEY, "added_base_url": f"{url}/v1"},
    ),
)


def case_of(model_id: str) -> Case:
    return next(case for case in CASES if case.model is MODELS[model_id])


def utterance_of(model: SpeechModel) -> Utterance:
    return Utterance(
        model=model.provider_model(is_paid=True),
        voice="kore",
        text=TEXT,
        language="en-US",
        reference=recordings.wav() if model.is_clone else None,
    )


@asynccontextmanager
async def opened(case: Case) -> AsyncIterator[tuple[ProviderServer, Provider]]:
    async with case.server().running() as server:
        settings = provider_settings(**case.settings(server.base_url))
        providers = open_providers(settings, REGISTRY_OF_TESTS)
        assert list(providers) == [case.provider]
        provider = providers[case.provider]
        try:
            yield server, provider
        finally:
            await provider.close()


def provider_settings(**values: Any) -> SpeechProviderSettings:
    """Only what is given: nothing of this machine's environment."""
    return AddedSettings.model_validate(values)
