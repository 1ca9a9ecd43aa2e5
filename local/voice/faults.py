"""
Misbehaviour on command, so that tests meet every failure of a provider over a real socket.

A set of faults is posted as JSON and replaces the one before. Every fault holds until it is
cleared, or for the next `times` occasions of its own kind.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal[
    "drop_after_s",
    "session_limit_s",
    "stall",
    "refuse",
    "error_code",
    "voice_fixed",
    "double_done",
    "mute",
    "think_s",
    "tts",
    "chat",
    "stt",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

Seconds = Annotated[float, Field(ge=0, le=3600)]


class RestFault(BaseModel):
    """What a REST route does wrong. The fields combine; `status` wins over the rest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: int | None = Field(default=None, ge=400, le=599)
    code: str | None = None  # in the body of the error
    retry_after: int | None = Field(default=None, ge=0)  # seconds, as the header of that name
    delay_s: Seconds = 0.0
    truncate: bool = False  # the connection breaks in the middle of the answer


class SpeechFault(RestFault):
    """Of `POST /v1/audio/speech`."""

    garbage: bool = False  # random bytes instead of audio
    silence: bool = False  # the right length, and nothing to hear


class FaultSet(BaseModel):
    """What `POST /faults` takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    drop_after_s: Seconds | None = None  # after connect, without a close frame; 0 drops at once
    session_limit_s: Seconds | None = None  # after connect, with an error event and a close frame
    voice_fixed: bool | None = None  # a session that has spoken keeps its voice, as at OpenAI
    stall: bool | None = None  # the socket stays open and is never answered
    refuse: bool | None = None  # 503 instead of a socket
    error_code: str | None = None  # an error event instead of the next response
    double_done: bool | None = None  # response.done is sent twice
    mute: bool | None = None  # a transcript without audio
    think_s: Seconds | None = None  # before response.created
    tts: SpeechFault | None = None
    chat: RestFault | None = None  # POST /v1/chat/completions
    stt: RestFault | None = None  # POST /v1/audio/transcriptions
    times: int | None = Field(default=None, ge=1)


class Faults:
    """The faults in force."""

    def __init__(self) -> None:
        self._set = FaultSet()
        self._left: dict[Kind, int] = {}

    def replace(self, faults: FaultSet) -> None:
        """Put a set in force; an empty one clears them all."""
        self._set = faults
        self._left = dict.fromkeys(KINDS, faults.times) if faults.times else {}

    def peek(self, kind: Kind) -> Any:
        """The value of a fault in force, or None; this is not an occasion."""
        value = getattr(self._set, kind)
        return None if value is False or self._left.get(kind) == 0 else value

    def take(self, kind: Kind) -> Any:
        """The value of a fault in force, or None. One occasion of `times` is used up."""
        value = self.peek(kind)
        if value is not None and kind in self._left:
            self._left[kind] -= 1
        return value

    def shown(self) -> dict[str, Any]:
        """As `GET /faults` answers."""
        return self._set.model_dump(exclude_none=True) | (
            {"left": {k: n for k, n in self._left.items() if getattr(self._set, k) is not None}}
            if self._left
            else {}
        )
