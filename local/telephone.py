"""What a telephone does to a voice: 8 kHz and eight bits a sample (G.711, mu-law). Pure."""

import numpy as np

from local.voice.resample import resample
from local.voice.speech import SPEECH_RATE_HZ

TELEPHONE_HZ = 8_000
MU = 255.0
_FULL = 32_767.0
_STEPS = 127.0  # on each side of silence


def by_telephone(pcm: bytes) -> bytes:
    """PCM16 mono at SPEECH_RATE_HZ as it comes out at the other end of a line, at the same rate."""
    narrow = resample(pcm, source_hz=SPEECH_RATE_HZ, target_hz=TELEPHONE_HZ)
    samples = np.frombuffer(narrow, dtype="<i2").astype(np.float64) / _FULL
    squeezed = np.sign(samples) * np.log1p(MU * np.abs(samples)) / np.log1p(MU)
    stepped = np.rint(squeezed * _STEPS) / _STEPS
    heard = np.sign(stepped) * np.expm1(np.abs(stepped) * np.log1p(MU)) / MU
    pcm8 = np.clip(np.rint(heard * _FULL), -32768, 32767).astype("<i2").tobytes()
    return resample(pcm8, source_hz=TELEPHONE_HZ, target_hz=SPEECH_RATE_HZ)
