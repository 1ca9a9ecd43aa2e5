"""
What the caller is still owed when the model's session was lost in the middle of it.

Pure: told what passes between us and the provider, it knows what has to be said in the new session,
so that no answer is lost and none is given twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

WORDS_MAX = 4_000  # characters of a broken answer that are told to the new session


class _Turn(Enum):
    NONE = auto()
    HEARD = auto()  # its words are in the conversation, and no answer has begun
    UNKNOWN = auto()  # spoken, but its words were never told: the audio is sent again


@dataclass(frozen=True, slots=True)
class Due:
    """
    What the new session has to do first.

    `instructions`: an order of ours that was not carried out. `words`: what was said of an answer
    that broke off. Neither: the caller's last words wait for an answer.
    """

    instructions: str = ""
    words: str = ""


@dataclass(slots=True)
class OwedAnswer:
    _order: str = ""
    _turn: _Turn = _Turn.NONE
    _is_answering: bool = False
    _has_answered: bool = False  # this turn, though its words may still be unknown
    _words: list[str] = field(default_factory=list)

    def ordered(self, instructions: str) -> None:
        """We asked the model to say something."""
        self._order = instructions

    def event(self, event: Mapping[str, Any]) -> None:
        """One event of the provider, in order."""
        match event["type"]:
            case "input_audio_buffer.speech_started":
                self._order, self._is_answering = "", False  # interrupted, whatever it was
                self._turn, self._has_answered = _Turn.UNKNOWN, False
            case (
                "conversation.item.input_audio_transcription.completed"
                | "conversation.item.input_audio_transcription.failed"
            ):
                self._hear(str(event.get("transcript") or ""))
            case "response.created":
                self._begin()
            case "response.output_audio_transcript.delta":
                self._words.append(str(event.get("delta") or ""))
            case "response.done":
                self._end((event.get("response") or {}).get("status"))

    def due(self) -> Due | None:
        """What is owed after the session was lost. Asked once: the answer begins anew."""
        due = self._due()
        self._is_answering, self._words = False, []
        return due

    def _due(self) -> Due | None:
        if self._turn is _Turn.UNKNOWN:
            return None
        if self._order:
            return Due(instructions=self._order)
        words = "".join(self._words).strip()
        if self._is_answering and words:
            return Due(words=words[:WORDS_MAX])
        if self._is_answering or self._turn is _Turn.HEARD:
            self._turn = _Turn.HEARD
            return Due()
        return None

    def _hear(self, words: str) -> None:
        if self._turn is _Turn.UNKNOWN:
            is_settled = self._is_answering or self._has_answered or not words.strip()
            self._turn = _Turn.NONE if is_settled else _Turn.HEARD

    def _begin(self) -> None:
        self._is_answering, self._words = True, []
        if self._turn is _Turn.HEARD:
            self._turn = _Turn.NONE

    def _end(self, status: str | None) -> None:
        if status in ("completed", "cancelled"):
            self._has_answered = self._has_answered or self._is_answering
            self._order, self._is_answering, self._words = "", False, []
