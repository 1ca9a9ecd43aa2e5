"""Sounds of our own for tests of audio: PCM as all of ours, mono, 16 bit, 24 kHz."""

import numpy as np
from numpy.typing import NDArray

RATE = 24_000


def tone(seconds: float, *, hz: float = 440.0, level: float = 0.25) -> bytes:
    """A sine; `level` 1.0 is full scale."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    return pcm_of(np.sin(2 * np.pi * hz * time_s) * level)


def silence(seconds: float) -> bytes:
    return bytes(2 * round(seconds * RATE))


def murmur(seconds: float, *, level: float = 0.2) -> bytes:
    """Syllables: a buzzing voice that swells four times a second."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 140 * overtone * time_s) / overtone for overtone in range(1, 12))
    return pcm_of(buzz * np.abs(np.sin(2 * np.pi * 2 * time_s)) * level / 2)


def pcm_of(samples: NDArray[np.float64]) -> bytes:
    """Samples between -1 and 1."""
    return np.clip(np.rint(samples * 32_767), -32_768, 32_767).astype("<i2").tobytes()


def samples_of(pcm: bytes) -> NDArray[np.float64]:
    """Between -1 and 1."""
    return np.frombuffer(pcm, dtype="<i2").astype(np.float64) / 32_768


def energy(pcm: bytes) -> float:
    return float(np.square(samples_of(pcm)).sum())


def duration_ms(pcm: bytes) -> float:
    return len(pcm) / 2 / RATE * 1000
