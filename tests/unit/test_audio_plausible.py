"""What may be charged for as speech, and what is nonsense whoever made it."""

from dataclasses import replace

import pytest

from control_plane.audio.plausible import verdict
from control_plane.audio.port import AudioFacts

SPEECH = AudioFacts(
    codec="mp3",
    sample_rate_hz=24_000,
    channels=1,
    duration_ms=6_000,
    peak_dbfs=-3.0,
    loudness_lufs=-20.0,
    voiced_ms=5_000,
)


def facts(*, duration_ms: int, voiced_ms: int | None = None) -> AudioFacts:
    voiced_ms = duration_ms * 8 // 10 if voiced_ms is None else voiced_ms
    return replace(SPEECH, duration_ms=duration_ms, voiced_ms=voiced_ms)


@pytest.mark.parametrize(
    ("characters", "duration_ms"),
    [
        (1, 250),  # "I"
        (2, 300),  # "Hi"
        (1, 1_500),  # an emoji that is read out
        (90, 6_000),  # English
        (1_000, 40_000),  # English, as fast as the fastest voice
        (1_000, 110_000),  # German, read to a child
        (120, 30_000),  # Chinese, 4 a second
        (120, 60_000),  # Chinese, slow
        (10, 7_000),  # "9999999999" in words
        (40, 700),  # dots, brackets and one word
    ],
)
def test_honest_speech_passes(characters: int, duration_ms: int) -> None:
    assert verdict(facts(duration_ms=duration_ms), characters=characters) is None


@pytest.mark.parametrize("voiced_ms", [0, 59])
def test_silence_is_no_speech_however_long_it_is(voiced_ms: int) -> None:
    assert verdict(facts(duration_ms=5_000, voiced_ms=voiced_ms), characters=50) == "silent"


@pytest.mark.parametrize(
    ("characters", "voiced_ms"), [(1_000, 2_000), (200, 300), (10_000, 60_000)]
)
def test_speech_that_was_cut_off_is_too_short(characters: int, voiced_ms: int) -> None:
    cut = facts(duration_ms=voiced_ms, voiced_ms=voiced_ms)
    assert verdict(cut, characters=characters) == "too_short"


def test_silence_does_not_make_up_for_words() -> None:
    padded = facts(duration_ms=60_000, voiced_ms=500)
    assert verdict(padded, characters=1_000) == "too_short"


@pytest.mark.parametrize(("characters", "duration_ms"), [(2, 30_000), (50, 60_000), (300, 600_000)])
def test_a_model_that_does_not_stop_is_too_long(characters: int, duration_ms: int) -> None:
    assert verdict(facts(duration_ms=duration_ms), characters=characters) == "too_long"


def test_the_limits_move_with_the_speed() -> None:
    fast = facts(duration_ms=6_000)
    assert verdict(fast, characters=1_000) == "too_short"
    assert verdict(fast, characters=1_000, speed=4.0) is None
    slow = facts(duration_ms=60_000)
    assert verdict(slow, characters=40) == "too_long"
    assert verdict(slow, characters=40, speed=0.25) is None
