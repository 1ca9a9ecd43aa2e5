"""Any OpenAI-compatible chat model, asked one question at a time. The settings are TEXT_*."""

import asyncio
from typing import Final, Protocol

import openai

from control_plane.speech.settings import TextSettings
from shared.errors import Unavailable
from shared.log import get_logger
from shared.settings import key_for_sdk

log = get_logger(__name__)

TOKENS_MAX: Final = 1_500
TIMEOUT_S: Final = 60.0  # nobody waits for it; the lease is longer
ANSWER_CHARS_MAX: Final = 20_000


class NoteTakerAway(Unavailable):
    """The chat model did not answer"""

    code = "note_taker_unavailable"


class NoteTaker(Protocol):
    async def answer(self, instructions: str, data: str) -> str:
        """Raises NoteTakerAway."""
        ...

    async def close(self) -> None: ...


class RestNoteTaker:
    def __init__(self, *, base_url: str | None, api_key: str, model: str) -> None:
        self._model = model
        self._client = openai.AsyncOpenAI(
            base_url=base_url, api_key=api_key, timeout=TIMEOUT_S, max_retries=0
        )

    async def answer(self, instructions: str, data: str) -> str:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                completion = await self._client.chat.completions.create(
                    model=self._model,
                    messages=[
                        {"role": "system", "content": instructions},
                        {"role": "user", "content": data},
                    ],
                    max_tokens=TOKENS_MAX,
                    response_format={"type": "json_object"},
                )
        except (openai.OpenAIError, TimeoutError) as error:  # its text may quote the caller's
            log.warning("note_taker_failed", dependency="text", error=type(error).__name__)
            raise NoteTakerAway from None
        content = completion.choices[0].message.content if completion.choices else None
        return (content or "")[:ANSWER_CHARS_MAX]

    async def close(self) -> None:
        await self._client.close()


def open_note_taker(settings: TextSettings) -> NoteTaker | None:
    """None where no chat model is configured."""
    if settings.text_model is None:
        return None
    return RestNoteTaker(
        base_url=settings.text_base_url,
        api_key=key_for_sdk(settings.text_api_key),
        model=settings.text_model,
    )
