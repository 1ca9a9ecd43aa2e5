"""Text to sentences, so that the first one is spoken while the rest is still being made. Pure."""

import re
from collections.abc import Iterator

# espeak makes this much text in under 20 ms; a longer sentence is cut at a pause or a space.
SENTENCE_CHARS_MAX = 240

_END = re.compile(r"(?<=[.!?…؟।])[\"')\]”]*\s+|(?<=[。！？])|\n+")  # noqa: RUF001 - full-width marks
_PAUSE = re.compile(r"[,;:]\s+|\s+[-–—]\s+")  # noqa: RUF001 - dashes as people type them


class SentenceBuffer:
    """Collects pieces of text and gives back whole sentences."""

    def __init__(self) -> None:
        self._text = ""

    def push(self, piece: str) -> list[str]:
        """The sentences that this piece completes."""
        self._text += piece
        *whole, self._text = _END.split(self._text)
        sentences = [part for sentence in whole for part in _short(sentence.strip())]
        if len(self._text) > SENTENCE_CHARS_MAX:
            *parts, self._text = _short(self._text)
            sentences += parts
        return sentences

    def rest(self) -> list[str]:
        """What is left when the text has ended."""
        text, self._text = self._text.strip(), ""
        return list(_short(text))


def sentences_of(text: str) -> list[str]:
    """All sentences of a whole text."""
    buffer = SentenceBuffer()
    return buffer.push(text) + buffer.rest()


def _short(text: str) -> Iterator[str]:
    """Pieces of at most SENTENCE_CHARS_MAX, cut where a speaker would breathe."""
    while len(text) > SENTENCE_CHARS_MAX:
        head = text[:SENTENCE_CHARS_MAX]
        pauses = [match.end() for match in _PAUSE.finditer(head)]
        cut = pauses[-1] if pauses else head.rfind(" ") + 1
        cut = cut or SENTENCE_CHARS_MAX
        yield text[:cut].strip()
        text = text[cut:]
    if text:
        yield text
