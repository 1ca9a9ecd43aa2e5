"""
What every speech provider looks like from inside, and the ways in which one can fail.

A provider speaks one text with one voice. It knows nothing of accounts, credits or storage; what it
returns is checked by others before anybody pays.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from shared.errors import AppError, Invalid, Refused, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """
    A text to be spoken, in the provider's own words: `model` and `voice` are its names.

    `language` is a BCP 47 tag or "multiple". `reference` is a WAV recording whose voice is to be
    cloned; None for the provider's own voices. What a provider cannot vary it ignores.
    """

    model: str
    voice: str
    text: str
    language: str = "multiple"
    style: str | None = None
    seed: int | None = None
    temperature: float | None = None
    speed: float | None = None
    reference: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a provider says it counted. `total` is what is billed by tokens."""

    prompt: int
    output: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """
    A whole answer of a provider, not checked yet.

    `media_type` is what the bytes claim to be: audio/wav, audio/mpeg, audio/L16;rate=24000, ...
    `model` is the provider's name of the one that did the work.
    """

    audio: bytes
    media_type: str
    model: str
    tokens: Tokens | None = None


class Provider(Protocol):
    """
    One provider with its key and its address. Safe to use from many tasks at once.

    Both methods raise the refusals below and nothing else; cancelling them cancels the work.
    """

    name: str  # as in the catalogue, in metrics and in the breaker

    async def speak(self, utterance: Utterance) -> Speech: ...

    def stream(self, utterance: Utterance) -> AsyncIterator[bytes]:
        """PCM as it is made: 24 kHz, mono, 16 bit little endian, in pieces of any length."""
        ...

    async def close(self) -> None: ...


class ProviderRefusal(AppError):
    """Voice generation failed, please retry"""

    code = "provider_error"


class ProhibitedContent(Refused):
    """The text was refused by the content policy of the voice's provider"""

    code = "content_policy_violation"


class InputTooLong(Invalid):
    """The text is too long for this voice"""

    code = "input_too_long"


class ProviderQuota(ProviderRefusal):
    """The voice's provider has no capacity left for now, please try again later"""

    code = "provider_quota_exceeded"


class ProviderAway(Unavailable):
    """The voice's provider is not available, please retry"""

    code = "provider_unavailable"


class NoAudio(Unavailable):
    """The voice's provider sent no usable audio, please retry"""

    code = "no_audio"
