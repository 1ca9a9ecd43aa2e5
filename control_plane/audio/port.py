"""What the workshop for audio does, whoever it is done by."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from shared.errors import Invalid

SPEECH_RATE_HZ = 24_000  # of all PCM inside: mono, 16 bit little endian


class AudioFormat(StrEnum):
    """The containers we deliver; names as in OpenAI's `response_format`."""

    WAV = "wav"
    MP3 = "mp3"
    OPUS = "opus"  # in Ogg
    FLAC = "flac"
    AAC = "aac"  # in ADTS
    PCM = "pcm"  # bare, 24 kHz, mono, 16 bit little endian

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {
    AudioFormat.WAV: "audio/wav",
    AudioFormat.MP3: "audio/mpeg",
    AudioFormat.OPUS: "audio/ogg",
    AudioFormat.FLAC: "audio/flac",
    AudioFormat.AAC: "audio/aac",
    AudioFormat.PCM: "audio/pcm",
}


class BadAudio(Invalid):
    """This is no audio that can be decoded"""

    code = "bad_audio"


class AudioTooLong(BadAudio):
    """This recording is too long"""

    code = "audio_too_long"


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFacts:
    """
    What was measured on decoded samples, not what a header claims.

    `loudness_lufs` is integrated loudness (ITU-R BS.1770), -70.0 for silence; `voiced_ms` is how
    much of it is louder than -50 dBFS.
    """

    codec: str
    sample_rate_hz: int
    channels: int
    duration_ms: int
    peak_dbfs: float
    loudness_lufs: float
    voiced_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Decoded: `pcm` is mono, 16 bit little endian, at SPEECH_RATE_HZ."""

    pcm: bytes
    facts: AudioFacts


class Workshop(Protocol):
    """Raises BadAudio for what cannot be decoded within the limits, Unavailable when overloaded."""

    async def decode(
        self, data: bytes, *, media_type: str, max_s: float, trim_s: float | None = None
    ) -> Recording:
        """`media_type` matters for bare PCM (audio/L16;rate=N, audio/pcm); else content decides."""
        ...

    async def encode(self, pcm: bytes, audio_format: AudioFormat) -> bytes: ...

    async def join(self, pieces: Sequence[bytes]) -> bytes:
        """PCM pieces as one, at one loudness, faded so that no joint clicks."""
        ...
