"""
Voice activity: when a caller starts and stops speaking. Pure; audio in, marks out.

Energy against a noise floor that follows the room. It costs about 20 microseconds for 100 ms of
audio, so a machine full of listening calls has its time for other things.
"""

from dataclasses import dataclass

import numpy as np

from local.voice.speech import BYTES_PER_SAMPLE, SPEECH_RATE_HZ

FRAME_MS = 20
FRAME_SAMPLES = SPEECH_RATE_HZ * FRAME_MS // 1000
FRAME_BYTES = FRAME_SAMPLES * BYTES_PER_SAMPLE

# 16-bit RMS. Opus comfort noise stays under 20, a phone line's hiss under 100, speech over 800.
QUIET_RMS = 150.0
FLOOR_RMS_MIN = 20.0
OVER_FLOOR = 3.0  # about 10 dB
STOP_SHARE = 0.6  # of the starting level; the gap keeps a fading vowel from flickering
FLOOR_FALL = 0.3  # share of the way down in one frame: a lost packet must not reset the floor
FLOOR_RISE = 1.02  # per frame, 9 dB a second: a fan that starts is forgotten after two seconds
START_FRAMES = 4  # 80 ms: a click in the line is shorter
RESUME_FRAMES = 2
TURN_MS_MAX = 60_000  # nobody waits longer for an answer; bounds the audio kept


@dataclass(frozen=True, slots=True)
class TurnDetection:
    """The protocol's `server_vad` settings."""

    threshold: float = 0.5  # 0 hears a whisper, 1 only a loud voice
    silence_duration_ms: int = 500
    prefix_padding_ms: int = 300
    create_response: bool = True
    interrupt_response: bool = True


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    at_ms: int  # of the audio heard so far, padding already taken off


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    at_ms: int


Mark = SpeechStarted | SpeechStopped


class SpeechDetector:
    """Feed it PCM16 at 24 kHz in pieces of any size."""

    def __init__(self, settings: TurnDetection, *, heard_ms: int = 0) -> None:
        """`heard_ms`: audio of the session before this detector; marks count from its start."""
        self._settings = settings
        sensitivity = 10 ** (settings.threshold - 0.5)
        self._quiet_rms = QUIET_RMS * sensitivity
        self._over_floor = max(1.5, OVER_FLOOR * sensitivity**0.5)
        self._rest = b""
        self._now_ms = heard_ms
        self._floor_rms = FLOOR_RMS_MIN
        self._loud_frames = 0
        self._silent_ms = 0
        self._started_ms: int | None = None

    @property
    def speaking(self) -> bool:
        return self._started_ms is not None

    def feed(self, pcm: bytes) -> list[Mark]:
        """The marks found in this piece, in order."""
        pcm = self._rest + pcm
        whole = len(pcm) // FRAME_BYTES * FRAME_BYTES
        self._rest = pcm[whole:]
        if not whole:
            return []
        frames = np.frombuffer(pcm, dtype="<i2", count=whole // 2).astype(np.float32)
        frames = frames.reshape(-1, FRAME_SAMPLES)
        power = np.einsum("ij,ij->i", frames, frames) / FRAME_SAMPLES
        power -= frames.mean(axis=1) ** 2  # a microphone's direct current is no voice
        marks = (self._step(rms) for rms in np.sqrt(np.maximum(power, 0.0)).tolist())
        return [mark for mark in marks if mark]

    def _step(self, rms: float) -> Mark | None:
        self._now_ms += FRAME_MS
        start_rms = max(self._quiet_rms, self._floor_rms * self._over_floor)
        self._follow_floor(rms)
        if self._started_ms is None:
            return self._wait_for_speech(loud=rms > start_rms)
        return self._wait_for_silence(loud=rms > start_rms, silent=rms < start_rms * STOP_SHARE)

    def _follow_floor(self, rms: float) -> None:
        if rms < self._floor_rms:
            self._floor_rms += (rms - self._floor_rms) * FLOOR_FALL
        else:
            self._floor_rms = min(self._floor_rms * FLOOR_RISE, rms)
        self._floor_rms = max(self._floor_rms, FLOOR_RMS_MIN)

    def _wait_for_speech(self, *, loud: bool) -> Mark | None:
        self._loud_frames = self._loud_frames + 1 if loud else max(0, self._loud_frames - 1)
        if self._loud_frames < START_FRAMES:
            return None
        onset_ms = self._now_ms - START_FRAMES * FRAME_MS
        self._started_ms = max(0, onset_ms - self._settings.prefix_padding_ms)
        self._silent_ms = 0
        return SpeechStarted(self._started_ms)

    def _wait_for_silence(self, *, loud: bool, silent: bool) -> Mark | None:
        self._loud_frames = self._loud_frames + 1 if loud else 0
        if silent:
            self._silent_ms += FRAME_MS
        elif self._loud_frames >= RESUME_FRAMES:
            self._silent_ms = 0
        assert self._started_ms is not None
        too_long = self._now_ms - self._started_ms >= TURN_MS_MAX
        if self._silent_ms < self._settings.silence_duration_ms and not too_long:
            return None
        self._started_ms = None
        self._loud_frames = 0
        return SpeechStopped(self._now_ms)
