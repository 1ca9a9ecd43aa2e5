"""Google's Gemini models that speak."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any, Final

import httpx2
from google import genai
from google.genai import errors, types

from control_plane.audio.port import SPEECH_RATE_HZ
from control_plane.settings import SpeechProviderSettings
from control_plane.tts.port import (
    InputTooLong,
    NoAudio,
    ProhibitedContent,
    Provider,
    ProviderAway,
    ProviderQuota,
    ProviderRefusal,
    Speech,
    Tokens,
    Utterance,
)
from control_plane.tts.refusals import in_our_words, refusal_of_answer
from control_plane.tts.styles import spoken_text
from control_plane.tts.wire import ANSWER_BYTES_MAX, answers_noted, open_http
from shared.errors import AppError

AWAY: Final = frozenset({"INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "ABORTED"})
PROHIBITED: Final = frozenset(
    "SAFETY PROHIBITED_CONTENT BLOCKLIST SPII RECITATION JAILBREAK MODEL_ARMOR".split()
)
TOO_LONG: Final = ("token", "too long", "length", "exceed")
CONTENT_FILTERS: Final = (types.HarmCategory.HARM_CATEGORY_SEXUALLY_EXPLICIT,)


def open_provider(settings: SpeechProviderSettings) -> Provider:
    assert settings.gemini_api_key is not None
    return GeminiSpeech(
        api_key=settings.gemini_api_key.get_secret_value(), base_url=settings.gemini_base_url
    )


class GeminiSpeech:
    name = "gemini"

    def __init__(
        self, *, api_key: str, base_url: str, answer_bytes_max: int = ANSWER_BYTES_MAX
    ) -> None:
        self._http = open_http(answer_bytes_max=answer_bytes_max)
        self._client = genai.Client(
            api_key=api_key,
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=base_url,
                api_version="v1beta",  # where the models that speak are
                httpx_async_client=self._http,
                retry_options=types.HttpRetryOptions(attempts=1),  # the studio retries
            ),
        )

    async def speak(self, utterance: Utterance) -> Speech:
        """Also tells the tokens, by which it is billed, where Google tells all three."""
        with in_our_words(self.name, _refusal):
            answer = await self._client.aio.models.generate_content(
                model=utterance.model, contents=_prompt(utterance), config=_config(utterance)
            )
            blobs = list(_audio_of(answer))
            if not blobs:
                raise _silence(answer)
            return Speech(
                audio=b"".join(blob.data or b"" for blob in blobs),
                media_type=blobs[0].mime_type or "",
                model=utterance.model,
                tokens=_tokens_of(answer),
            )

    async def stream(self, utterance: Utterance) -> AsyncIterator[bytes]:
        has_spoken = False
        answer = None
        with in_our_words(self.name, _refusal):
            async with aclosing(self._answers(utterance)) as answers:
                async for answer in answers:
                    for blob in _audio_of(answer):
                        _require_our_rate(blob.mime_type or "")
                        has_spoken = True
                        yield blob.data or b""
            if not has_spoken:
                raise _silence(answer)

    async def _answers(self, utterance: Utterance) -> AsyncGenerator[types.GenerateContentResponse]:
        """Closing it closes the connection, which the SDK's own generator does not."""
        noted: list[httpx2.AsyncByteStream] = []
        try:
            with answers_noted(noted):
                answers = await self._client.aio.models.generate_content_stream(
                    model=utterance.model, contents=_prompt(utterance), config=_config(utterance)
                )
                answer = await anext(answers, None)  # asks only now
            while answer is not None:
                yield answer
                answer = await anext(answers, None)
        finally:
            for stream in noted:
                await stream.aclose()

    async def count_tokens(self, utterance: Utterance) -> int:
        with in_our_words(self.name, _refusal):
            answer = await self._client.aio.models.count_tokens(
                model=utterance.model, contents=_prompt(utterance)
            )
            if not answer.total_tokens:
                raise NoAudio
            return answer.total_tokens

    async def close(self) -> None:
        await self._http.aclose()


def _prompt(utterance: Utterance) -> str:
    return spoken_text(utterance.model, utterance.text, utterance.style)


def _config(utterance: Utterance) -> types.GenerateContentConfig:
    voice = types.PrebuiltVoiceConfig(voice_name=utterance.voice.capitalize())
    return types.GenerateContentConfig(
        response_modalities=["AUDIO"],
        speech_config=types.SpeechConfig(
            voice_config=types.VoiceConfig(prebuilt_voice_config=voice)
        ),
        safety_settings=[
            types.SafetySetting(category=category, threshold=types.HarmBlockThreshold.BLOCK_NONE)
            for category in CONTENT_FILTERS
        ],
        seed=utterance.seed,
        temperature=utterance.temperature,
    )


def _audio_of(answer: types.GenerateContentResponse) -> Iterator[types.Blob]:
    """Audio may be in any part of any candidate; text parts are thoughts."""
    for candidate in answer.candidates or ():
        for part in (candidate.content.parts if candidate.content else None) or ():
            blob = part.inline_data
            if blob and blob.data and (blob.mime_type or "").startswith("audio/"):
                yield blob


def _tokens_of(answer: types.GenerateContentResponse) -> Tokens | None:
    usage = answer.usage_metadata
    if usage is None:
        return None
    prompt, output = usage.prompt_token_count, usage.candidates_token_count
    if not prompt or not output or not usage.total_token_count:
        return None
    return Tokens(prompt=prompt, output=output, total=usage.total_token_count)


def _require_our_rate(media_type: str) -> None:
    """A stream cannot be resampled on its way. Raises NoAudio."""
    fields = [field.strip().lower() for field in media_type.split(";")]
    rates = [field.removeprefix("rate=") for field in fields if field.startswith("rate=")]
    if rates and rates[0] != str(SPEECH_RATE_HZ):
        raise NoAudio


def _silence(answer: types.GenerateContentResponse | None) -> AppError:
    """Why an answer has no audio: a policy, a block without a reason, or nothing it tells."""
    feedback = answer.prompt_feedback if answer else None
    blocked = _name(feedback.block_reason if feedback else None)
    reasons = {_name(c.finish_reason) for c in (answer.candidates if answer else None) or ()}
    if blocked in PROHIBITED or reasons & PROHIBITED:
        return ProhibitedContent()
    return ProviderRefusal() if blocked else NoAudio()


def _name(reason: Any) -> str:
    return str(getattr(reason, "value", reason) or "")


def _refusal(error: Exception) -> AppError | None:
    if not isinstance(error, errors.APIError):
        return None
    said = (error.message or "").lower()
    if error.status == "RESOURCE_EXHAUSTED":
        return ProviderQuota()
    if error.status in AWAY:
        return ProviderAway()
    if error.status == "INVALID_ARGUMENT":
        return _invalid(said)
    return refusal_of_answer(error.code or 0, said)


def _invalid(said: str) -> AppError:
    if "api key" in said or "api_key" in said:
        return ProviderRefusal()
    if any(word in said for word in TOO_LONG):
        return InputTooLong()
    return ProhibitedContent()  # some texts are refused like this
