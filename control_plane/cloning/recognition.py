"""Speech to text by any server that speaks OpenAI's /v1/audio/transcriptions."""

from typing import Final, Protocol

import openai

from control_plane.cloning.errors import NoRecognition
from control_plane.cloning.settings import CloningSettings
from shared.log import get_logger
from shared.settings import key_for_sdk

log = get_logger(__name__)

TIMEOUT_S: Final = 30.0  # for 30 s of speech; a hosted recogniser needs 1-3 s
RETRIES: Final = 1  # somebody is waiting, and can simply send it again
HEARD_CHARS_MAX: Final = 1_000  # of what a stranger's server answers; a phrase has 80


class Recognition(Protocol):
    """Raises NoRecognition when nobody answers."""

    async def words_of(self, wav: bytes) -> str:
        """What is said in a WAV recording; "" for nothing that can be understood."""
        ...

    async def close(self) -> None: ...


class NoRecognizer:
    """For an installation without one: nobody can consent, so nobody can clone."""

    async def words_of(self, wav: bytes) -> str:  # noqa: ARG002 - the port's
        raise NoRecognition

    async def close(self) -> None:
        return None


class RestRecognition:
    """One server and one model. Safe to use from many tasks at once."""

    def __init__(self, *, base_url: str, api_key: str, model: str) -> None:
        self._client = openai.AsyncOpenAI(
            base_url=base_url, api_key=api_key, timeout=TIMEOUT_S, max_retries=RETRIES
        )
        self._model = model

    async def words_of(self, wav: bytes) -> str:
        try:
            answer = await self._client.audio.transcriptions.create(
                model=self._model, file=("recording.wav", wav, "audio/wav"), response_format="json"
            )
        except openai.OpenAIError as error:
            log.warning("recognition_failed", dependency="recognition", exc_info=error)
            raise NoRecognition from None
        # Postgres stores no NUL, and UTF-8 no half of a surrogate pair.
        words = answer.text.replace("\x00", "").encode(errors="replace").decode()
        return " ".join(words.split())[:HEARD_CHARS_MAX]

    async def close(self) -> None:
        await self._client.close()


def open_recognition(settings: CloningSettings) -> Recognition:
    """As configured; nothing is asked of a server before it is used."""
    if settings.recognition_base_url is None:
        return NoRecognizer()
    return RestRecognition(
        base_url=settings.recognition_base_url,
        api_key=key_for_sdk(settings.recognition_api_key),
        model=settings.recognition_model,
    )
