"""
Models that Replicate runs: Orpheus, and Chatterbox for cloning.

A prediction is made, asked after until it is done, and its file is fetched. It is cancelled there
when nobody waits for it any more: it would be paid for all the same.
"""

import asyncio
import base64
import binascii
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

import httpx2
from replicate.client import Client
from replicate.exceptions import ReplicateException
from replicate.prediction import Prediction

from control_plane.settings import SpeechProviderSettings
from control_plane.tts.answers import require_audio_type, require_bytes
from control_plane.tts.port import (
    NoAudio,
    Provider,
    ProviderAway,
    ProviderRefusal,
    Speech,
    Utterance,
)
from control_plane.tts.refusals import in_our_words, refusal_of_answer
from control_plane.tts.unstreamed import Unstreamed
from control_plane.tts.wire import ANSWER_BYTES_MAX, open_http
from shared.errors import AppError
from shared.languages import base_of

POLL_S: Final = 0.3  # a model that is warm needs 1 to 10 s
POLLS_MAX: Final = 1_000  # five minutes; the studio gives up before
CANCEL_TIMEOUT_S: Final = 3.0
FILE_HOSTS: Final = ("replicate.delivery",)  # and what is below them
DONE: Final = frozenset({"succeeded", "failed", "canceled", "aborted"})
MEDIA_TYPES: Final = {"wav": "audio/wav", "mp3": "audio/mpeg", "flac": "audio/flac"}


def open_provider(settings: SpeechProviderSettings) -> Provider:
    assert settings.replicate_api_token is not None
    return ReplicateSpeech(
        api_token=settings.replicate_api_token.get_secret_value(),
        base_url=settings.replicate_base_url,
    )


class _Client(Client):
    """The SDK with our HTTP client: its own retries ten times, and cannot be told not to."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        super().__init__()  # without the token, which `http` has
        self._http = http

    @property
    def _async_client(self) -> Any:
        return self._http


class _Failed(Exception):
    """A file that could not be fetched."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


class ReplicateSpeech(Unstreamed):
    """The voice of Orpheus is a name; Chatterbox takes the utterance's reference."""

    name = "replicate"

    def __init__(
        self,
        *,
        api_token: str,
        base_url: str,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
        poll_s: float = POLL_S,
    ) -> None:
        self._http = open_http(answer_bytes_max=answer_bytes_max)
        self._http.base_url = httpx2.URL(base_url)
        self._http.headers["Authorization"] = f"Bearer {api_token}"
        self._files = open_http(answer_bytes_max=answer_bytes_max)  # without the token
        self._own_host = urlsplit(base_url)
        self._client = _Client(self._http)
        self._poll_s = poll_s

    async def speak(self, utterance: Utterance) -> Speech:
        with in_our_words(self.name, _refusal):
            prediction = await self._created(utterance)
            try:
                await self._wait_for(prediction)
            except BaseException:
                if prediction.status not in DONE:
                    await asyncio.shield(self._cancel(prediction))
                raise
            if prediction.status == "failed":
                raise refusal_of_answer(HTTPStatus.BAD_REQUEST, str(prediction.error))
            if prediction.status != "succeeded":
                raise ProviderAway
            audio, media_type = await self._fetched(_address_in(prediction.output))
        return Speech(audio=audio, media_type=media_type, model=utterance.model)

    async def close(self) -> None:
        await self._http.aclose()
        await self._files.aclose()

    async def _created(self, utterance: Utterance) -> Prediction:
        name, _, version = utterance.model.partition(":")
        inputs = _inputs(name, utterance)
        if version:
            return await self._client.predictions.async_create(version=version, input=inputs)
        owner, _, model = name.partition("/")
        return await self._client.models.predictions.async_create(
            model=(owner, model), input=inputs
        )

    async def _wait_for(self, prediction: Prediction) -> None:
        for _ in range(POLLS_MAX):
            if prediction.status in DONE:
                return
            await asyncio.sleep(self._poll_s)
            await prediction.async_reload()
        raise ProviderAway

    async def _cancel(self, prediction: Prediction) -> None:
        try:
            async with asyncio.timeout(CANCEL_TIMEOUT_S):
                await prediction.async_cancel()
        except (httpx2.HTTPError, ReplicateException, TimeoutError):
            return  # it ends by itself, and is paid

    async def _fetched(self, address: str) -> tuple[bytes, str]:
        """The audio and what it says it is. Raises NoAudio for an address that is not theirs."""
        parts = urlsplit(address)
        if parts.scheme == "data":
            return _from_data(address)
        if not self._is_theirs(parts):
            raise NoAudio
        async with self._files.stream("GET", address) as answer:
            if answer.status_code != HTTPStatus.OK:
                raise _Failed(answer.status_code)
            media_type = answer.headers.get("Content-Type") or _by_name(parts.path)
            require_audio_type(media_type)
            return require_bytes(await answer.aread()), media_type

    def _is_theirs(self, parts: SplitResult) -> bool:
        """A model may answer with any address; a request to ours inside would be its hands."""
        own = self._own_host
        if (parts.scheme, parts.netloc) == (own.scheme, own.netloc):
            return True
        host = parts.hostname or ""
        return parts.scheme == "https" and any(
            host == allowed or host.endswith(f".{allowed}") for allowed in FILE_HOSTS
        )


def _inputs(name: str, utterance: Utterance) -> dict[str, Any]:
    """What the models call what we have."""
    if name.endswith("/chatterbox-multilingual"):
        return {
            "text": utterance.text,
            "language": base_of(utterance.language),
            "reference_audio": _as_data(utterance.reference),
            "cfg_weight": 0.5,
            "exaggeration": 0.5,
            "temperature": 0.8 if utterance.temperature is None else utterance.temperature,
            "seed": utterance.seed or 0,  # 0 is any
        }
    if name.endswith("/chatterbox"):
        return {
            "prompt": utterance.text,
            "audio_prompt": _as_data(utterance.reference),
            "cfg_weight": 0.5,
            "exaggeration": 0.5,
            "temperature": 0.8 if utterance.temperature is None else utterance.temperature,
            "seed": utterance.seed or 0,
        }
    return {"text": utterance.text, "voice": utterance.voice}


def _as_data(reference: bytes | None) -> str:
    """In the request itself: a recording of somebody's voice gets no public address."""
    if reference is None:
        raise ProviderRefusal
    return f"data:audio/wav;base64,{base64.b64encode(reference).decode()}"


def _address_in(output: Any) -> str:
    """The one file among what models give: an address, or a list with it."""
    found = output[0] if isinstance(output, list) and output else output
    if not isinstance(found, str) or not found:
        raise NoAudio
    return found


def _from_data(address: str) -> tuple[bytes, str]:
    head, _, body = address.removeprefix("data:").partition(",")
    media_type, _, _ = head.partition(";base64")
    require_audio_type(media_type)
    try:
        audio = base64.b64decode(body) if ";base64" in head else unquote_to_bytes(body)
    except binascii.Error:
        raise NoAudio from None
    return require_bytes(audio), media_type


def _by_name(path: str) -> str:
    return MEDIA_TYPES.get(path.rpartition(".")[2].lower(), "application/octet-stream")


def _refusal(error: Exception) -> AppError | None:
    if isinstance(error, _Failed):
        return refusal_of_answer(error.status, "")
    status = getattr(error, "status", None)  # of ReplicateError
    if isinstance(error, ReplicateException) and isinstance(status, int):
        words = f"{getattr(error, 'title', '')} {getattr(error, 'detail', '')}"
        return refusal_of_answer(status, words)
    return None
