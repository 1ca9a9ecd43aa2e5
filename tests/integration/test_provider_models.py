"""What one provider does and no other: the fields of its protocol, and its own ways to say no."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from control_plane.tts.catalog import MODELS
from control_plane.tts.port import (
    NoAudio,
    ProhibitedContent,
    ProviderRefusal,
    Tokens,
    Utterance,
)
from control_plane.tts.providers.gemini import GeminiSpeech
from control_plane.tts.providers.replicate_models import ReplicateSpeech
from control_plane.tts.providers.xai import language_of
from shared.errors import AppError
from tests.fakes.providers import recordings
from tests.fakes.providers.cases import case_of, opened
from tests.fakes.providers.gemini import GeminiServer
from tests.fakes.providers.replicate import ReplicateServer
from tests.fakes.providers.trouble import Trouble

NOTICE_S = 5.0


@pytest_asyncio.fixture
async def gemini() -> AsyncIterator[tuple[GeminiServer, GeminiSpeech]]:
    async with opened(case_of("gpro")) as (server, provider):
        assert isinstance(server, GeminiServer)
        assert isinstance(provider, GeminiSpeech)
        yield server, provider


@pytest_asyncio.fixture
async def replicate() -> AsyncIterator[tuple[ReplicateServer, ReplicateSpeech]]:
    async with opened(case_of("orpheus")) as (server, provider):
        assert isinstance(server, ReplicateServer)
        assert isinstance(provider, ReplicateSpeech)
        yield server, provider


class TestGemini:
    async def test_it_is_asked_for_audio_with_all_parameters(
        self, gemini: tuple[GeminiServer, GeminiSpeech]
    ) -> None:
        server, provider = gemini
        wish = replace(case_of("gpro").utterance, style="softly", seed=7, temperature=0.5)
        speech = await provider.speak(wish)
        (seen,) = server.seen
        assert seen.path == "/v1beta/models/gemini-2.5-pro-preview-tts:generateContent"
        assert seen.body["contents"][0]["parts"] == [{"text": f"softly: {wish.text}"}]
        config = seen.body["generationConfig"]
        assert config["responseModalities"] == ["AUDIO"]
        assert (config["seed"], config["temperature"]) == (7, 0.5)
        assert "Kore" in str(config["speechConfig"])
        assert seen.body["safetySettings"] == [
            {"category": "HARM_CATEGORY_SEXUALLY_EXPLICIT", "threshold": "BLOCK_NONE"}
        ]
        assert speech.tokens == Tokens(prompt=12, output=88, total=100)

    async def test_the_newer_model_gets_a_directors_note(
        self, gemini: tuple[GeminiServer, GeminiSpeech]
    ) -> None:
        server, provider = gemini
        model = MODELS["gpro31"].provider_model_paid
        await provider.speak(replace(case_of("gpro").utterance, model=model, style="softly"))
        text = server.seen[0].body["contents"][0]["parts"][0]["text"]
        assert text.startswith("### DIRECTOR'S NOTES\nStyle: softly\n\n## TRANSCRIPT\n")

    @pytest.mark.parametrize("missing", ["promptTokenCount", "totalTokenCount", None])
    async def test_an_incomplete_count_is_none(
        self, gemini: tuple[GeminiServer, GeminiSpeech], missing: str | None
    ) -> None:
        server, provider = gemini
        assert server.usage
        usage = {k: n for k, n in server.usage.items() if k != missing}
        server.usage = usage if missing else None
        assert (await provider.speak(case_of("gpro").utterance)).tokens is None

    @pytest.mark.parametrize(
        ("finish_reason", "block_reason", "refusal"),
        [
            ("SAFETY", None, ProhibitedContent),
            ("PROHIBITED_CONTENT", None, ProhibitedContent),
            ("STOP", "PROHIBITED_CONTENT", ProhibitedContent),
            ("STOP", "OTHER", ProviderRefusal),
            ("STOP", None, NoAudio),
            ("OTHER", None, NoAudio),
        ],
    )
    async def test_silence_has_reasons(
        self,
        gemini: tuple[GeminiServer, GeminiSpeech],
        finish_reason: str,
        block_reason: str | None,
        refusal: type[AppError],
    ) -> None:
        server, provider = gemini
        server.finish_reason, server.block_reason = finish_reason, block_reason
        server.trouble = Trouble.SENDS_NO_AUDIO
        with pytest.raises(AppError) as refused:
            await provider.speak(case_of("gpro").utterance)
        assert type(refused.value) is refusal

    async def test_it_counts_the_text_as_it_is_sent(
        self, gemini: tuple[GeminiServer, GeminiSpeech]
    ) -> None:
        _, provider = gemini
        wish = replace(case_of("gpro").utterance, text="a" * 80, style="b" * 18)
        assert await provider.count_tokens(wish) == 25


class TestReplicate:
    async def test_a_version_of_a_model_is_asked_for(
        self, replicate: tuple[ReplicateServer, ReplicateSpeech]
    ) -> None:
        server, provider = replicate
        wish = replace(case_of("orpheus").utterance, voice="tara")
        await provider.speak(wish)
        body = server.seen[0].body
        assert body["version"] == wish.model.partition(":")[2]
        assert body["input"] == {"text": wish.text, "voice": "tara"}

    async def test_a_model_without_a_version_is_asked_by_its_name(
        self, replicate: tuple[ReplicateServer, ReplicateSpeech]
    ) -> None:
        server, provider = replicate
        await provider.speak(replace(case_of("orpheus").utterance, model="owner/name"))
        assert server.seen[0].path == "/v1/models/owner/name/predictions"

    async def test_a_recording_travels_inside_the_request(
        self, replicate: tuple[ReplicateServer, ReplicateSpeech]
    ) -> None:
        server, provider = replicate
        model = MODELS["chatterbox-multilingual"].provider_model_paid
        reference = recordings.wav()
        wish = Utterance(model=model, voice="", text="Hei", language="fi-FI", reference=reference)
        await provider.speak(wish)
        sent = server.seen[0].body["input"]
        assert sent["language"] == "fi"
        assert base64.b64decode(sent["reference_audio"].partition(",")[2]) == reference

    async def test_a_cancelled_prediction_is_cancelled_there_too(
        self, replicate: tuple[ReplicateServer, ReplicateSpeech]
    ) -> None:
        server, provider = replicate
        server.never_done = True
        speaking = asyncio.create_task(provider.speak(case_of("orpheus").utterance))
        async with asyncio.timeout(NOTICE_S):
            while len(server.seen) < 2:  # it was asked after
                await asyncio.sleep(0.01)
            speaking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await speaking
        assert server.cancelled == ["p1"]

    @pytest.mark.parametrize(
        "output",
        [
            "http://169.254.169.254/latest/meta-data",
            "https://evil.example/replicate.delivery/a.wav",
            "https://replicate.delivery.evil.example/a.wav",
            "https://notreplicate.delivery/a.wav",
            "http://replicate.delivery/a.wav",
            "http://user@127.0.0.1:1/a.wav",
            "file:///etc/passwd",
            "//replicate.delivery/a.wav",
            "no address",
            {"audio": "https://replicate.delivery/a.wav"},
            [],
            "data:text/html,hello",
        ],
        ids=str,
    )
    async def test_a_model_cannot_send_us_anywhere(
        self, replicate: tuple[ReplicateServer, ReplicateSpeech], output: Any
    ) -> None:
        server, provider = replicate
        server.output = output
        with pytest.raises(NoAudio):
            await provider.speak(case_of("orpheus").utterance)

    async def test_audio_may_come_in_a_list_or_inside_the_answer(
        self, replicate: tuple[ReplicateServer, ReplicateSpeech]
    ) -> None:
        server, provider = replicate
        server.output = [f"{server.base_url}/files/a.mp3"]
        assert (await provider.speak(case_of("orpheus").utterance)).audio == recordings.mp3()
        inside = base64.b64encode(recordings.wav()).decode()
        server.output = f"data:audio/wav;base64,{inside}"
        speech = await provider.speak(case_of("orpheus").utterance)
        assert (speech.audio, speech.media_type) == (recordings.wav(), "audio/wav")


class TestXai:
    @pytest.mark.parametrize(
        ("tag", "language"),
        [
            ("ar", "ar-SA"),
            ("es", "es-ES"),
            ("es-MX", "es-MX"),
            ("es-AR", "es-ES"),
            ("pt", "pt-BR"),
            ("pt_pt", "pt-PT"),
            ("EN-us", "en"),
            ("multiple", "auto"),
            ("xx-YY", "auto"),
            ("", "auto"),
        ],
    )
    def test_languages_are_named_its_way(self, tag: str, language: str) -> None:
        assert language_of(tag) == language

    async def test_its_fields(self) -> None:
        async with opened(case_of("xai")) as (server, provider):
            await provider.speak(replace(case_of("xai").utterance, voice="eve", speed=1.25))
        body = server.seen[0].body
        assert (body["voice_id"], body["language"], body["speed"]) == ("eve", "en", 1.25)


class TestMistral:
    async def test_the_recording_is_the_voice(self) -> None:
        async with opened(case_of("voxtral")) as (server, provider):
            await provider.speak(case_of("voxtral").utterance)
        body = server.seen[0].body
        assert base64.b64decode(body["ref_audio"]) == recordings.wav()
        assert "voice_id" not in body
        assert body["model"] == "voxtral-mini-tts-2603"


class TestOpenAi:
    async def test_a_style_is_told_as_instructions(self) -> None:
        async with opened(case_of("openai")) as (server, provider):
            wish = replace(case_of("openai").utterance, style="softly", speed=1.5)
            await provider.speak(wish)
        body = server.seen[0].body
        assert (body["instructions"], body["speed"], body["input"]) == ("softly", 1.5, wish.text)


@pytest.mark.parametrize("model_id", ["orpheus", "chatterbox-multilingual", "voxtral"])
async def test_who_cannot_stream_says_so_without_a_request(model_id: str) -> None:
    case = case_of(model_id)
    async with opened(case) as (server, provider):
        with pytest.raises(ProviderRefusal, match="cannot be streamed"):
            [piece async for piece in provider.stream(case.utterance)]
        assert server.seen == []
