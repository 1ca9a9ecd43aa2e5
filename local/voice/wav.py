"""WAV files in and out. Pure."""

import io
import struct
import wave
from dataclasses import dataclass

import numpy as np

from local.voice.speech import BYTES_PER_SAMPLE, SPEECH_RATE_HZ

RATE_HZ_MIN, RATE_HZ_MAX = 8_000, 96_000
CHANNELS_MAX = 2
SECONDS_MAX = 120
UNKNOWN_LENGTH = 0xFFFF_FFFF  # what providers write who stream before they know


class NotAWave(Exception):
    """Audio that is not a 16-bit PCM WAV file within our limits; the message says why."""


@dataclass(frozen=True, slots=True)
class Recording:
    """PCM16 mono."""

    pcm: bytes
    rate_hz: int


def streaming_header(rate_hz: int = SPEECH_RATE_HZ) -> bytes:
    """44 bytes before PCM16 mono of a length that is not known yet."""
    bytes_per_s = rate_hz * BYTES_PER_SAMPLE
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, bytes_per_s, BYTES_PER_SAMPLE, 16)
    riff = struct.pack("<4sI4s", b"RIFF", UNKNOWN_LENGTH, b"WAVE")
    return riff + form + struct.pack("<4sI", b"data", UNKNOWN_LENGTH)


def read_wave(data: bytes) -> Recording:
    """The audio of a WAV file, mixed to mono. Raises NotAWave."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            rate_hz, channels, width = file.getframerate(), file.getnchannels(), file.getsampwidth()
            _check(rate_hz, channels, width)
            pcm = file.readframes(SECONDS_MAX * rate_hz + 1)
    except (wave.Error, EOFError, struct.error) as error:
        raise NotAWave("the file is not a WAV file") from error
    frames = len(pcm) // (BYTES_PER_SAMPLE * channels)
    if frames > SECONDS_MAX * rate_hz:
        raise NotAWave(f"the file is longer than {SECONDS_MAX} s")
    samples = np.frombuffer(pcm, dtype="<i2", count=frames * channels).reshape(-1, channels)
    return Recording(samples.mean(axis=1).astype("<i2").tobytes(), rate_hz)


def _check(rate_hz: int, channels: int, width: int) -> None:
    if width != BYTES_PER_SAMPLE:
        raise NotAWave("only 16-bit samples are supported")
    if not 1 <= channels <= CHANNELS_MAX:
        raise NotAWave(f"at most {CHANNELS_MAX} channels are supported")
    if not RATE_HZ_MIN <= rate_hz <= RATE_HZ_MAX:
        raise NotAWave(f"the sample rate must be {RATE_HZ_MIN} to {RATE_HZ_MAX} Hz")
