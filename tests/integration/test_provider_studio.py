"""The studio with real providers behind it: repetition, fallback, breaker, cancellation."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from control_plane.tts.attempts import Patience
from control_plane.tts.catalog import MODELS
from control_plane.tts.port import ProviderAway
from control_plane.tts.providers import REGISTRY, open_providers
from control_plane.tts.studio import Studio, open_studio
from shared.clock import SystemClock
from shared.metrics import SPEECH_ATTEMPTS
from tests.fakes.providers import recordings
from tests.fakes.providers.cases import (
    CASES,
    KEY,
    REGISTRY_OF_TESTS,
    Case,
    case_of,
    opened,
    provider_settings,
    utterance_of,
)
from tests.fakes.providers.gemini import GeminiServer
from tests.fakes.providers.openai_speech import OpenAiServer
from tests.fakes.providers.trouble import Trouble

QUICK = Patience(backoff_s=0.01)
NOTICE_S = 5.0


def counted(provider: str, outcome: str) -> float:
    value: float = SPEECH_ATTEMPTS.labels(provider, outcome)._value.get()
    return value


async def test_a_provider_that_is_back_at_the_third_attempt_is_not_noticed() -> None:
    case = case_of("xai")
    async with opened(case) as (server, provider):
        studio = Studio({"xai": provider}, SystemClock(), patience=QUICK)
        server.trouble, server.times = Trouble.IS_AWAY, 2
        away, done = counted("xai", "provider_unavailable"), counted("xai", "done")
        speech = await studio.speak(case.model, case.utterance)
        assert speech.audio == recordings.wav()
        assert len(server.seen) == 3
        assert counted("xai", "provider_unavailable") == away + 2
        assert counted("xai", "done") == done + 1


@pytest.mark.parametrize("model_id", ["gpro", "gpro31"])
async def test_another_model_of_gemini_takes_over(model_id: str) -> None:
    model = MODELS[model_id]
    async with opened(case_of("gpro")) as (server, provider):
        assert isinstance(server, GeminiServer)
        server.failing_models = (model.provider_model_paid,)
        studio = Studio({"gemini": provider}, SystemClock(), patience=QUICK)
        wish = replace(utterance_of(model), style="softly")
        speech = await studio.speak(model, wish)
        assert speech.model == "gemini-2.5-flash-preview-tts"
        # In the fallback's own form, whichever was asked first.
        assert server.seen[-1].body["contents"][0]["parts"] == [{"text": f"softly: {wish.text}"}]
        async with aclosing(studio.stream(model, wish)) as pieces:
            assert b"".join([piece async for piece in pieces]) == recordings.pcm()
        with pytest.raises(ProviderAway):
            await studio.speak(model, wish, may_fall_back=False)


async def test_a_dead_provider_is_not_asked_at_all() -> None:
    case = case_of("openai")
    async with opened(case) as (server, provider):
        studio = Studio({"openai": provider}, SystemClock(), patience=QUICK)
        server.trouble = Trouble.HANGS_UP
        for _ in range(2):
            with pytest.raises(ProviderAway):
                await studio.speak(case.model, case.utterance)
        asked = len(server.seen)
        with pytest.raises(ProviderAway):
            await studio.speak(case.model, case.utterance)
        assert asked == len(server.seen) == 5


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_leaving_reaches_the_provider(case: Case) -> None:
    async with opened(case) as (server, provider):
        studio = Studio({case.model.provider: provider}, SystemClock(), patience=QUICK)
        server.trouble = Trouble.STALLS
        speaking = asyncio.create_task(studio.speak(case.model, case.utterance))
        async with asyncio.timeout(NOTICE_S):
            while not server.seen:
                await asyncio.sleep(0.01)
            speaking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await speaking
            while not server.gone:
                await asyncio.sleep(0.01)


async def test_a_provider_that_never_answers_is_given_up() -> None:
    case = case_of("openai")
    async with opened(case) as (server, provider):
        patience = replace(QUICK, attempt_s=0.2, first_byte_s=0.2)
        studio = Studio({"openai": provider}, SystemClock(), patience=patience)
        server.trouble = Trouble.STALLS
        with pytest.raises(ProviderAway):
            await studio.speak(case.model, case.utterance)
        with pytest.raises(ProviderAway):
            await anext(studio.stream(case.model, case.utterance))
        async with asyncio.timeout(NOTICE_S):
            while server.gone < 2:
                await asyncio.sleep(0.01)
        assert len(server.seen) == 2


async def test_tokens_are_counted_where_the_provider_counts() -> None:
    async with opened(case_of("gpro")) as (_, provider):
        studio = Studio({"gemini": provider}, SystemClock())
        wish = replace(case_of("gpro").utterance, text="a" * 100)
        assert await studio.count_tokens(MODELS["gpro"], wish) == 25
    async with opened(case_of("xai")) as (_, provider):
        studio = Studio({"xai": provider}, SystemClock())
        assert await studio.count_tokens(MODELS["xai"], case_of("xai").utterance) is None


async def test_a_studio_without_keys_offers_nothing() -> None:
    studio = open_studio(provider_settings(), SystemClock())
    assert [model.id for model in MODELS.values() if studio.offers(model)] == []
    await studio.close()


async def test_a_studio_offers_what_it_has_keys_for() -> None:
    settings = provider_settings(gemini_api_key=KEY, replicate_api_token=KEY)
    studio = open_studio(settings, SystemClock())
    assert [model.id for model in MODELS.values() if studio.offers(model)] == [
        "gpro",
        "gpro31",
        "orpheus",
        "chatterbox",
        "chatterbox-multilingual",
    ]
    await studio.close()


async def test_a_provider_is_added_by_one_file_and_one_line() -> None:
    # That it conforms is shown by test_provider_conformance.py, which runs it like any other.
    assert len(REGISTRY_OF_TESTS) == len(REGISTRY) + 1
    async with OpenAiServer().running() as server:
        settings = provider_settings(added_api_key=KEY, added_base_url=f"{server.base_url}/v1")
        assert open_providers(settings) == {}
        providers = open_providers(settings, REGISTRY_OF_TESTS)
        speech = await providers["added"].speak(case_of("openai").utterance)
        assert speech.audio == recordings.wav()
        await providers["added"].close()
