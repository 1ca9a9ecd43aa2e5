"""
What the demo cloning takes from a recording: how high somebody speaks, and how fast. Pure.

It is no cloning: two numbers make no voice. Everything that shows its result says so.
"""

import io
import wave
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from control_plane.tts.port import NoAudio

SECONDS_MAX: Final = 30  # of a recording that are listened to
RATE_HZ_MIN: Final = 8_000
FRAME_S: Final = 0.04  # two periods of the lowest voice
HOP_S: Final = 0.01
PITCH_HZ_MIN: Final = 65.0
PITCH_HZ_MAX: Final = 420.0
PERIODIC: Final = 0.5  # of the energy repeats after a period: a vowel, not a hiss
QUIET: Final = 0.1  # of the loudest frame; below is a pause
ENVELOPE_S: Final = 0.05  # shorter swings of loudness are no syllables
DIP: Final = 0.75  # a syllable ends where loudness falls under this part of its peak
VOWELS_MIN: Final = 10  # frames; from fewer a pitch would be a guess

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Likeness:
    """`pitch_hz` is the median of the voiced frames, `pace` syllables a second of speech."""

    pitch_hz: float
    pace: float


def likeness_of(wav: bytes) -> Likeness:
    """Measure a 16 bit mono WAV. About 10 ms for 10 s. Raises NoAudio without a voice in it."""
    samples, rate_hz = _read(wav)
    frames = _frames(samples, size=round(FRAME_S * rate_hz), hop=round(HOP_S * rate_hz))
    loudness = np.sqrt((frames**2).mean(axis=1))
    if not loudness.size or loudness.max() <= 0:
        raise NoAudio
    is_loud = loudness > QUIET * loudness.max()
    pitches = _pitches(frames[is_loud], rate_hz)
    if pitches.size < VOWELS_MIN:
        raise NoAudio
    spoken_s = max(float(is_loud.sum()) * HOP_S, HOP_S)
    return Likeness(float(np.median(pitches)), _syllables(loudness) / spoken_s)


def _read(wav: bytes) -> tuple[Samples, int]:
    try:
        with wave.open(io.BytesIO(wav)) as file:
            rate_hz = file.getframerate()
            if (file.getnchannels(), file.getsampwidth()) != (1, 2) or rate_hz < RATE_HZ_MIN:
                raise NoAudio
            pcm = file.readframes(SECONDS_MAX * rate_hz)
    except (wave.Error, EOFError):
        raise NoAudio from None
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], dtype="<i2").astype(np.float32)
    return samples / np.float32(32_768), rate_hz


def _frames(samples: Samples, *, size: int, hop: int) -> Samples:
    """Overlapping pieces, one a row."""
    if samples.size < size:
        return np.empty((0, size), dtype=np.float32)
    return np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]


def _pitches(frames: Samples, rate_hz: int) -> Samples:
    """The pitch of each periodic frame in Hz, by the highest peak of its autocorrelation."""
    size = frames.shape[1]
    centred = frames - frames.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, n=2 * size, axis=1)
    correlation: Samples = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :size].astype(np.float32)
    # Fewer samples overlap at a longer lag; without this every voice would be a high one.
    correlation *= size / (size - np.arange(size))
    shortest, longest = int(rate_hz / PITCH_HZ_MAX), int(rate_hz / PITCH_HZ_MIN)
    window = correlation[:, shortest : min(longest, size * 3 // 4)]
    energy = np.maximum(correlation[:, 0], 1e-9)
    strength = window.max(axis=1) / energy
    # The first lag that is nearly as good as the best: twice the period fits as well as the period.
    lags = (window >= 0.9 * window.max(axis=1, keepdims=True)).argmax(axis=1)
    lags = _climb(window, lags) + shortest
    pitches: Samples = (rate_hz / lags[strength > PERIODIC]).astype(np.float32)
    return pitches


def _climb(window: Samples, lags: NDArray[np.intp]) -> NDArray[np.intp]:
    """From the foot of a peak to its top."""
    rows = np.arange(window.shape[0])
    for _ in range(window.shape[1]):
        higher = np.minimum(lags + 1, window.shape[1] - 1)
        is_higher = window[rows, higher] > window[rows, lags]
        if not is_higher.any():
            break
        lags = np.where(is_higher, higher, lags)
    return lags


def _syllables(loudness: Samples) -> int:
    """Peaks of loudness with a dip after each."""
    width = round(ENVELOPE_S / HOP_S)
    smooth = np.convolve(loudness, np.ones(width) / width, mode="same")
    floor = QUIET * float(smooth.max())
    count, peak, is_rising = 0, 0.0, True
    valley = 0.0
    for level in smooth.tolist():
        if is_rising:
            peak = max(peak, level)
            if level < DIP * peak and peak > floor:
                count, is_rising, valley = count + 1, False, level
        else:
            valley = min(valley, level)
            if level > max(valley / DIP, floor):
                is_rising, peak = True, level
    return count
