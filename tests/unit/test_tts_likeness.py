"""What the cloning demo hears in a recording, against voices that were made to measure."""

import io
import wave

import numpy as np
import pytest

from control_plane.tts.likeness import Likeness, likeness_of
from control_plane.tts.port import NoAudio
from control_plane.tts.providers.local import SPEED_MAX, SPEED_MIN, imitation_of

RATE_HZ = 16_000


def hum(pitch_hz: float, *, syllables: int = 8, syllable_s: float = 0.15) -> bytes:
    """A voice of ten overtones that swells and fades, with as much silence between."""
    t = np.arange(round(syllable_s * RATE_HZ)) / RATE_HZ
    wave_form = sum(np.sin(2 * np.pi * pitch_hz * n * t) / n for n in range(1, 11))
    syllable = wave_form * np.hanning(t.size) * 4_000
    silence = np.zeros(t.size)
    return wav(np.concatenate([syllable, silence] * syllables).astype("<i2").tobytes())


def wav(pcm: bytes, *, channels: int = 1, width: int = 2, rate_hz: int = RATE_HZ) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate_hz)
        writer.writeframes(pcm)
    return file.getvalue()


@pytest.mark.parametrize("pitch_hz", [80, 110, 150, 220, 330, 400])
def test_a_pitch_is_measured(pitch_hz: float) -> None:
    assert likeness_of(hum(pitch_hz)).pitch_hz == pytest.approx(pitch_hz, rel=0.03)


def test_a_pace_is_measured() -> None:
    slow, fast = hum(150, syllable_s=0.3), hum(150, syllable_s=0.1)
    assert likeness_of(fast).pace > 2 * likeness_of(slow).pace


def test_a_hiss_is_no_voice() -> None:
    noise = np.random.default_rng(1).normal(0, 3_000, 3 * RATE_HZ).astype("<i2")
    with pytest.raises(NoAudio):
        likeness_of(wav(noise.tobytes()))


@pytest.mark.parametrize(
    "recording",
    [
        b"",
        b"not a wave",
        hum(150)[:30],
        wav(b""),
        wav(b"\0\0"),
        wav(bytes(RATE_HZ)),
        wav(bytes(RATE_HZ), channels=2),
        wav(bytes(RATE_HZ), width=1),
        wav(bytes(RATE_HZ), rate_hz=100),
    ],
    ids="nothing words cut empty short silence stereo 8bit slow".split(),
)
def test_what_cannot_be_measured_is_refused(recording: bytes) -> None:
    with pytest.raises(NoAudio):
        likeness_of(recording)


def test_only_the_beginning_of_a_long_one_is_listened_to() -> None:
    hour = wav(bytes(3_600 * RATE_HZ * 2))
    with pytest.raises(NoAudio):
        likeness_of(hour)


@pytest.mark.parametrize(
    ("pitch_hz", "voice", "pitch"),
    [
        (20, "rex", 0),
        (76, "rex", 0),
        (105, "rex", 50),
        (149, "rex", 85),
        (150, "ara", 5),
        (227, "ara", 60),
        (900, "ara", 99),
    ],
)
def test_the_nearest_voice_is_chosen(pitch_hz: float, voice: str, pitch: int) -> None:
    imitation = imitation_of(Likeness(pitch_hz, 5.4))
    assert (imitation.voice, imitation.pitch, imitation.speed) == (voice, pitch, 1.0)


@pytest.mark.parametrize(("pace", "speed"), [(0.0, SPEED_MIN), (50.0, SPEED_MAX), (2.7 * 2, 1.0)])
def test_a_pace_stays_within_what_can_be_understood(pace: float, speed: float) -> None:
    assert imitation_of(Likeness(120, pace)).speed == speed
