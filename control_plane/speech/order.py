"""
One wish for speech, complete: who asks, for what, with which voice.

Routes make orders; the desk (`desk.py`) fulfils them. The digest of an order is the identity of the
audio: whatever changes one sample is in it, and nothing about who asks.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from control_plane.audio.port import AudioFormat


class Source(StrEnum):
    """Where work came from, as upstream's `usage_source_type` names it."""

    TTS = "tts"
    VOICE_CLONING = "voice_cloning"
    API_TTS = "api_tts"
    API_VOICE_CLONING = "api_voice_cloning"

    @property
    def channel(self) -> str:
        """The column of the price book."""
        return "api" if self in {Source.API_TTS, Source.API_VOICE_CLONING} else "web"

    @property
    def product(self) -> str:
        """The other column of the price book."""
        return "clone" if self in {Source.VOICE_CLONING, Source.API_VOICE_CLONING} else "speech"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechVoice:
    """
    A voice to speak with: `model` as in the catalogue (gpro, local, ...), `name` the provider's.

    `version` changes whenever the same voice would sound otherwise; `is_own` voices are heard by
    their owner alone. `reference_key` names the recording of a clone.
    """

    id: UUID
    name: str
    model: str
    language: str
    version: int = 1
    is_own: bool = False
    reference_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechOrder:
    user_id: UUID
    voice: SpeechVoice
    text: str
    source: Source
    audio_format: AudioFormat
    is_paid: bool  # the plan of the account now; chooses the provider's model and the limits
    style: str | None = None
    language: str | None = None  # overrides the voice's
    seed: int | None = None
    temperature: float | None = None
    speed: float | None = None
    api_key_id: UUID | None = None
    request_id: str | None = None
    is_fresh: bool = False  # do not answer from what was made before

    def digest(self, *, provider: str, provider_model: str) -> bytes:
        """SHA-256 over everything that shapes the audio; each part with its length before it."""
        parts = (
            "speech-v1",
            provider,
            provider_model,
            str(self.voice.id),
            str(self.voice.version),
            self.text,
            self.audio_format,
            self.style,
            self.language or self.voice.language,
            self.seed,
            self.temperature,
            self.speed,
        )
        digest = hashlib.sha256()
        for part in parts:
            data = b"\xff" if part is None else str(part).encode()
            digest.update(len(data).to_bytes(8, "big") + data)
        return digest.digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """
    A fulfilled order. `cost` is in micro-credits, 0 when `is_cached`; `available` is what the
    account may spend now in micro-credits, as `Balance.spendable`; None when nothing was debited.

    `audio_file_id` is the row of the account's history, None for a cache hit.
    """

    object_key: str
    audio_format: AudioFormat
    duration_ms: int
    size_bytes: int
    model: str  # the provider's, that did the work
    input_characters: int  # as priced: the text, with the style where it is spoken to the model
    cost: int
    available: int | None
    is_cached: bool
    charge_id: UUID | None
    audio_file_id: UUID | None
