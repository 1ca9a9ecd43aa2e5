"""OpenAI's `POST /audio/speech`: OpenAI itself, Kokoro, Speaches, and our local voice."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import openai

from control_plane.settings import SpeechProviderSettings
from control_plane.tts.answers import require_audio_type, require_bytes
from control_plane.tts.port import Provider, Speech, Utterance
from control_plane.tts.refusals import in_our_words, refusal_of_answer
from control_plane.tts.wire import ANSWER_BYTES_MAX, open_http
from shared.errors import AppError
from shared.settings import key_for_sdk


def open_provider(settings: SpeechProviderSettings) -> Provider:
    address = settings.openai_speech_url
    assert address is not None
    key = (
        settings.openai_speech_api_key
        if settings.openai_speech_base_url
        else settings.openai_api_key
    )
    return OpenAiSpeech(
        name="openai",
        base_url=address,
        api_key=key_for_sdk(key),
        model=settings.openai_speech_model,
    )


class OpenAiSpeech:
    """`model` is asked for instead of the utterance's, where the server calls it otherwise."""

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        api_key: str,
        model: str | None = None,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
    ) -> None:
        self.name = name
        self._model = model
        self._client = openai.AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,  # the studio retries
            http_client=open_http(answer_bytes_max=answer_bytes_max),
        )

    async def speak(
        self, utterance: Utterance, *, extra: Mapping[str, Any] | None = None
    ) -> Speech:
        """`extra` are fields of a server that knows more than OpenAI's."""
        wanted = self._wanted(utterance, "wav", extra)
        with in_our_words(self.name, _refusal):
            answer = await self._client.audio.speech.create(**wanted)
            media_type = answer.response.headers.get("Content-Type", "")
            require_audio_type(media_type)
            return Speech(
                audio=require_bytes(answer.content), media_type=media_type, model=wanted["model"]
            )

    async def stream(
        self, utterance: Utterance, *, extra: Mapping[str, Any] | None = None
    ) -> AsyncGenerator[bytes]:
        wanted = self._wanted(utterance, "pcm", extra)
        with in_our_words(self.name, _refusal):
            async with self._client.audio.speech.with_streaming_response.create(**wanted) as answer:
                require_audio_type(answer.headers.get("Content-Type", ""))
                async for piece in answer.iter_bytes():
                    yield piece

    async def close(self) -> None:
        await self._client.close()

    def _wanted(
        self, utterance: Utterance, response_format: str, extra: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        wanted: dict[str, Any] = {
            "model": self._model or utterance.model,
            "voice": utterance.voice,
            "input": utterance.text,
            "response_format": response_format,
        }
        if utterance.speed is not None:
            wanted["speed"] = utterance.speed
        if utterance.style:
            wanted["instructions"] = utterance.style
        if extra:
            wanted["extra_body"] = dict(extra)
        return wanted


def _refusal(error: Exception) -> AppError | None:
    if isinstance(error, openai.APIStatusError):
        return refusal_of_answer(error.status_code, f"{error.code} {error.message}")
    return None
