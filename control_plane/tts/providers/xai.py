"""xAI's `POST /v1/tts`. There is no SDK for it."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, Final

import httpx2

from control_plane.audio.port import SPEECH_RATE_HZ
from control_plane.settings import SpeechProviderSettings
from control_plane.tts.answers import require_audio_type, require_bytes
from control_plane.tts.port import Provider, Speech, Utterance
from control_plane.tts.refusals import in_our_words, refusal_of_answer
from control_plane.tts.wire import ANSWER_BYTES_MAX, open_http
from shared.errors import AppError

ERROR_BYTES_MAX: Final = 8 * 2**10  # of an explanation, to look for known words in

# Where xAI wants to know the country; other languages are named without one.
REGIONAL: Final = {"ar": "ar-SA", "es": "es-ES", "pt": "pt-BR"}
PLAIN: Final = frozenset("bn de en fr hi id it ja ko nl pl ru tr vi zh".split())
DIALECTS: Final = frozenset({"ar-AE", "ar-EG", "ar-SA", "es-ES", "es-MX", "pt-BR", "pt-PT"})


class _Failed(Exception):
    """An HTTP error with its explanation."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__()
        self.status = status
        self.words = words


def open_provider(settings: SpeechProviderSettings) -> Provider:
    assert settings.xai_api_key is not None
    return XaiSpeech(
        api_key=settings.xai_api_key.get_secret_value(), base_url=settings.xai_base_url
    )


class XaiSpeech:
    name = "xai"

    def __init__(
        self, *, api_key: str, base_url: str, answer_bytes_max: int = ANSWER_BYTES_MAX
    ) -> None:
        self._url = f"{base_url.rstrip('/')}/tts"
        self._http = open_http(answer_bytes_max=answer_bytes_max)
        self._headers = {"Authorization": f"Bearer {api_key}"}

    async def speak(self, utterance: Utterance) -> Speech:
        with in_our_words(self.name, _refusal):
            async with self._asked(utterance, "wav") as answer:
                await _require_audio(answer)
                audio = require_bytes(await answer.aread())
                return Speech(
                    audio=audio, media_type=answer.headers["Content-Type"], model=utterance.model
                )

    async def stream(self, utterance: Utterance) -> AsyncIterator[bytes]:
        with in_our_words(self.name, _refusal):
            async with self._asked(utterance, "pcm") as answer:
                await _require_audio(answer)
                async for piece in answer.aiter_bytes():
                    yield piece

    async def close(self) -> None:
        await self._http.aclose()

    def _asked(self, utterance: Utterance, codec: str) -> Any:
        wanted: dict[str, Any] = {
            "text": utterance.text,
            "voice_id": utterance.voice,
            "language": language_of(utterance.language),
            "output_format": {"codec": codec, "sample_rate": SPEECH_RATE_HZ},
        }
        if utterance.speed is not None:
            wanted["speed"] = utterance.speed
        return self._http.stream("POST", self._url, json=wanted, headers=self._headers)


def language_of(tag: str) -> str:
    """What xAI calls the language of a BCP 47 tag; "auto" for what it does not know."""
    primary, _, region = tag.replace("_", "-").partition("-")
    primary = primary.lower()
    dialect = f"{primary}-{region.upper()}"
    if dialect in DIALECTS:
        return dialect
    if primary in PLAIN:
        return primary
    return REGIONAL.get(primary, "auto")


async def _require_audio(answer: httpx2.Response) -> None:
    if answer.status_code != HTTPStatus.OK:
        words = b""
        async for piece in answer.aiter_bytes():
            words += piece
            if len(words) >= ERROR_BYTES_MAX:
                break
        raise _Failed(answer.status_code, words[:ERROR_BYTES_MAX].decode(errors="replace"))
    require_audio_type(answer.headers.get("Content-Type", ""))


def _refusal(error: Exception) -> AppError | None:
    if isinstance(error, _Failed):
        return refusal_of_answer(error.status, error.words)
    return None
