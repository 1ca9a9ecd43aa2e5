"""Mistral's Voxtral: speech with the voice of a recording."""

import base64
import binascii
from http import HTTPStatus
from typing import Any, Final

from mistralai.client import Mistral
from mistralai.client.errors import MistralError, NoResponseError

from control_plane.settings import SpeechProviderSettings
from control_plane.tts.port import (
    NoAudio,
    ProhibitedContent,
    Provider,
    ProviderAway,
    Speech,
    Utterance,
)
from control_plane.tts.refusals import in_our_words, refusal_of_answer
from control_plane.tts.unstreamed import Unstreamed
from control_plane.tts.wire import ANSWER_BYTES_MAX, open_http
from shared.errors import AppError

WAVE: Final = (b"RIFF", b"WAVE")  # at 0 and at 8; anything else is no answer to what we asked


def open_provider(settings: SpeechProviderSettings) -> Provider:
    assert settings.mistral_api_key is not None
    return MistralSpeech(
        api_key=settings.mistral_api_key.get_secret_value(), base_url=settings.mistral_base_url
    )


class MistralSpeech(Unstreamed):
    """Voxtral could stream, but float samples, and no contract of ours streams clones."""

    name = "mistral"

    def __init__(
        self, *, api_key: str, base_url: str, answer_bytes_max: int = ANSWER_BYTES_MAX
    ) -> None:
        self._http = open_http(answer_bytes_max=answer_bytes_max)
        self._client = Mistral(
            api_key=api_key,
            server_url=base_url.rstrip("/"),
            async_client=self._http,
            retry_config=None,  # the studio retries
        )

    async def speak(self, utterance: Utterance) -> Speech:
        """With `reference` its voice, else the preset voice of the name."""
        wanted: dict[str, Any] = (
            {"ref_audio": base64.b64encode(utterance.reference).decode()}
            if utterance.reference
            else {"voice_id": utterance.voice}
        )
        with in_our_words(self.name, _refusal):
            answer = await self._client.audio.speech.complete_async(
                input=utterance.text,
                model=utterance.model,
                stream=False,
                response_format="wav",
                **wanted,
            )
            audio = _decoded(answer.audio_data)
        return Speech(audio=audio, media_type="audio/wav", model=utterance.model)

    async def close(self) -> None:
        await self._http.aclose()


def _decoded(audio_data: str) -> bytes:
    """Raises NoAudio for what is no WAV file."""
    try:
        audio = base64.b64decode(audio_data, validate=True)
    except binascii.Error:
        raise NoAudio from None
    if (audio[:4], audio[8:12]) != WAVE:
        raise NoAudio
    return audio


def _refusal(error: Exception) -> AppError | None:
    if isinstance(error, NoResponseError):
        return ProviderAway()
    if not isinstance(error, MistralError):
        return None
    # An invalid key is a 401 there; 403 comes from the guardrails.
    if error.status_code == HTTPStatus.FORBIDDEN and "key" not in error.body.lower():
        return ProhibitedContent()
    return refusal_of_answer(error.status_code, error.body)
