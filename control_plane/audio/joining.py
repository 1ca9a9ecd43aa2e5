"""Pieces of speech as one: at one loudness, with a breath between, and no click."""

from collections.abc import Sequence
from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from control_plane.audio import measuring
from control_plane.audio.measuring import FULL_SCALE, SILENCE_LUFS
from control_plane.audio.port import SPEECH_RATE_HZ
from control_plane.audio.wav import SAMPLE_BYTES

FADE_SAMPLES: Final = SPEECH_RATE_HZ * 5 // 1000  # 5 ms: too short to be heard, too long to click
PAUSE_SAMPLES: Final = SPEECH_RATE_HZ * 150 // 1000  # 150 ms: as between two sentences, with theirs
GAIN_DB_MAX: Final = 12.0  # a piece that is further off is meant so, or is noise
PEAK_DBFS_MAX: Final = -1.0  # room for what encoders add between samples

Floats = NDArray[np.float32]


def joined(pieces: Sequence[bytes]) -> bytes:
    """PCM pieces in their order; empty ones are left out."""
    heard = [piece for piece in pieces if len(piece) >= SAMPLE_BYTES]
    gains_db = _gains_db(heard)
    pause = np.zeros(PAUSE_SAMPLES, dtype="<i2")
    parts: list[NDArray[np.int16]] = []
    for piece, gain_db in zip(heard, gains_db, strict=True):
        parts += [_shaped(piece, gain_db), pause]
    return b"".join(part.tobytes() for part in parts[:-1])


def _gains_db(pieces: Sequence[bytes]) -> list[float]:
    """
    What brings every piece to the loudness of the middle one.

    Lower, where a piece would be clipped on the way: all follow it, for steps are what is heard.
    """
    loudness = [measuring.loudness_lufs(piece) for piece in pieces]
    spoken = [lufs for lufs in loudness if lufs > SILENCE_LUFS]
    if not spoken:
        return [0.0] * len(pieces)
    target = median(spoken)
    for piece, lufs in zip(pieces, loudness, strict=True):
        wanted_db = min(target - lufs, GAIN_DB_MAX)
        if lufs > SILENCE_LUFS and wanted_db > 0:
            over_db = measuring.peak_dbfs(piece) + wanted_db - PEAK_DBFS_MAX
            target -= max(0.0, min(over_db, wanted_db))
    return [
        0.0 if lufs <= SILENCE_LUFS else max(-GAIN_DB_MAX, min(target - lufs, GAIN_DB_MAX))
        for lufs in loudness
    ]


def _shaped(piece: bytes, gain_db: float) -> NDArray[np.int16]:
    """With its gain, rising from and falling to silence."""
    samples: Floats = measuring.samples_in(piece).astype(np.float32)
    samples *= np.float32(10 ** (gain_db / 20))
    length = min(FADE_SAMPLES, len(samples) // 2)
    # A raised cosine has no corner; neither has what it is multiplied with.
    ramp: Floats = (0.5 - 0.5 * np.cos(np.pi * np.arange(length) / max(length, 1))).astype(
        np.float32
    )
    if length:
        samples[:length] *= ramp
        samples[-length:] *= ramp[::-1]
    return np.clip(np.rint(samples), -FULL_SCALE, FULL_SCALE - 1).astype("<i2")
