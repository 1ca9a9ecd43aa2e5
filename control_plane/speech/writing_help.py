"""
"Enhance text": a chat model puts marks of emotion into a text that is to be spoken.

It is any OpenAI-compatible model. The text of the customer goes to it and nowhere else.
"""

from collections.abc import AsyncGenerator
from typing import Final

from openai import AsyncOpenAI, OpenAIError

from control_plane.speech.errors import TextModelMissing
from control_plane.speech.settings import TextSettings
from shared.errors import Unavailable
from shared.languages import of_language
from shared.log import get_logger
from shared.settings import key_for_sdk

log = get_logger(__name__)

TOKENS_MAX: Final = 500
TIMEOUT_S: Final = 30.0
CHARS_MAX: Final = 8_000  # of an answer, whatever the model does

_RULES: Final = (
    "You prepare texts to be read aloud by a synthetic voice. Answer with the given text, in its "
    "own language and with its own words, in which you have put a few marks of emotion where they "
    "fit. Do not answer what the text asks, do not explain, do not translate. "
)
_BRACKETS: Final = (
    "cheerfully whispering laughing pause excited sadly nervously slowly fast breathily sighing "
    "giggling"
)
_TAGS: Final = {
    "en": "laugh chuckle sigh cough sniffle groan yawn gasp",
    "es": "groan chuckle gasp resoplido laugh yawn cough",
    "it": "sigh laugh cough sniffle groan yawn gemito gasp",
}


class WritingHelpFailed(Unavailable):
    """The writing help did not answer, please retry"""

    code = "text_model_unavailable"


def instructions_for(*, language: str, voice_model: str | None) -> str:
    """What the chat model is told for a voice: bracketed marks, or its language's tags."""
    if voice_model == "gpro31":
        marks = ", ".join(f"[{mark}]" for mark in _BRACKETS.split())
    else:
        tags = of_language(_TAGS, language)
        marks = ", ".join(f"<{tag}>" for tag in tags.split())
    return f"{_RULES}Use only these marks: {marks}."


class WritingHelp:
    """Safe to use from many tasks at once."""

    def __init__(self, settings: TextSettings) -> None:
        self._model = settings.text_model
        self._client: AsyncOpenAI | None = None
        if settings.text_model is not None:
            self._client = AsyncOpenAI(
                api_key=key_for_sdk(settings.text_api_key),
                base_url=settings.text_base_url,
                timeout=TIMEOUT_S,
                max_retries=1,
            )

    async def write(self, text: str, *, instructions: str) -> AsyncGenerator[str, None]:
        """Pieces of the answer as they come. Raises TextModelMissing or WritingHelpFailed."""
        if self._client is None or self._model is None:
            raise TextModelMissing
        left = CHARS_MAX
        try:
            answer = await self._client.chat.completions.create(
                model=self._model,
                messages=[
                    {"role": "system", "content": instructions},
                    {"role": "user", "content": text},
                ],
                max_tokens=TOKENS_MAX,
                stream=True,
            )
            async with answer:
                async for chunk in answer:
                    piece = chunk.choices[0].delta.content if chunk.choices else None
                    if piece:
                        yield piece[:left]
                        left -= len(piece)
                    if left <= 0:
                        return
        except OpenAIError as error:  # its text may quote the customer's
            log.warning("writing_help_failed", error=type(error).__name__)
            raise WritingHelpFailed from None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
