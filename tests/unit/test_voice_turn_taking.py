"""When a caller starts and stops speaking, from sound alone."""

import numpy as np
import pytest

from local.voice.speech import BYTES_PER_MS, synthesize
from local.voice.turn_taking import (
    TURN_MS_MAX,
    Mark,
    SpeechDetector,
    SpeechStarted,
    SpeechStopped,
    TurnDetection,
)


def silence(duration_ms: int) -> bytes:
    return bytes(duration_ms * BYTES_PER_MS)


def noise(duration_ms: int, rms: float, *, seed: int = 1) -> bytes:
    samples = np.random.default_rng(seed).normal(0.0, rms, duration_ms * 24)
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()


def tone(duration_ms: int, rms: float) -> bytes:
    wave = np.sin(np.arange(duration_ms * 24) * 2 * np.pi * 300 / 24_000) * rms * 2**0.5
    return wave.astype("<i2").tobytes()


def mixed(first: bytes, second: bytes) -> bytes:
    one, two = np.frombuffer(first, "<i2"), np.frombuffer(second, "<i2")
    size = min(len(one), len(two))
    total = one[:size].astype(np.int32) + two[:size]
    return bytes(np.clip(total, -32768, 32767).astype("<i2").tobytes())


def marks_of(pcm: bytes, settings: TurnDetection | None = None) -> list[Mark]:
    return SpeechDetector(settings or TurnDetection()).feed(pcm)


def test_a_sentence_has_one_start_and_one_stop_at_the_right_time() -> None:
    speech = synthesize("hello there, how are you today").pcm
    marks = marks_of(silence(1_000) + speech + silence(1_000))
    assert [type(mark) for mark in marks] == [SpeechStarted, SpeechStopped]
    assert marks[0].at_ms == pytest.approx(1_000 - 300, abs=100)
    assert marks[1].at_ms == pytest.approx(1_000 + len(speech) // BYTES_PER_MS + 500, abs=150)


def test_the_size_of_the_pieces_does_not_matter() -> None:
    pcm = silence(500) + synthesize("tell me a story").pcm + silence(800)
    whole = marks_of(pcm)
    for size in (62, 960, 4_800, 9_998):
        detector = SpeechDetector(TurnDetection())
        pieces = (pcm[start : start + size] for start in range(0, len(pcm), size))
        assert [mark for piece in pieces for mark in detector.feed(piece)] == whole


@pytest.mark.parametrize("rms", [0, 5, 20, 60])
def test_silence_comfort_noise_and_hiss_are_nobody(rms: float) -> None:
    assert marks_of(noise(20_000, rms)) == []


def test_a_fan_is_forgotten_after_a_moment() -> None:
    # given a quiet room in which a fan starts and keeps running
    marks = marks_of(silence(1_000) + noise(30_000, 600))
    assert all(mark.at_ms < 5_000 for mark in marks)
    # then speech over the fan is still heard
    pcm = synthesize("how much credit is left").pcm
    over_fan = mixed(pcm, noise(len(pcm) // BYTES_PER_MS, 300))
    detector = SpeechDetector(TurnDetection())
    detector.feed(noise(6_000, 300))
    heard = detector.feed(over_fan + noise(1_500, 300))
    assert [type(mark) for mark in heard] == [SpeechStarted, SpeechStopped]


def test_clicks_on_the_line_start_nothing() -> None:
    click = tone(40, 5_000)
    assert marks_of((click + silence(200)) * 30) == []


def test_clicks_after_speech_do_not_keep_the_turn_open() -> None:
    settings = TurnDetection(silence_duration_ms=500)
    tail = (tone(20, 4_000) + silence(180)) * 20
    marks = marks_of(silence(300) + tone(800, 3_000) + tail, settings)
    assert marks[1].at_ms < 2_500


def test_lost_packets_in_noise_start_nothing() -> None:
    # given noise with gaps of digital silence, as a lossy line plays them
    detector = SpeechDetector(TurnDetection())
    detector.feed(noise(6_000, 300))
    assert detector.feed((silence(20) + noise(400, 300)) * 20) == []


def test_a_constant_offset_is_no_sound() -> None:
    offset = np.full(24 * 5_000, 2_000, dtype="<i2").tobytes()
    assert [mark for mark in marks_of(silence(500) + offset) if mark.at_ms > 1_000] == []


def test_the_threshold_decides_how_loud_is_speech() -> None:
    murmur = silence(500) + tone(600, 250) + silence(1_000)
    assert marks_of(murmur, TurnDetection(threshold=0.9)) == []
    assert len(marks_of(murmur, TurnDetection(threshold=0.5))) == 2


def test_a_pause_shorter_than_asked_for_is_part_of_the_turn() -> None:
    pcm = silence(300) + tone(500, 3_000) + silence(600) + tone(500, 3_000) + silence(2_000)
    assert len(marks_of(pcm, TurnDetection(silence_duration_ms=800))) == 2
    assert len(marks_of(pcm, TurnDetection(silence_duration_ms=300))) == 4


def test_the_padding_before_speech_ends_at_the_start_of_the_session() -> None:
    marks = marks_of(silence(100) + tone(500, 3_000), TurnDetection(prefix_padding_ms=2_000))
    assert marks == [SpeechStarted(0)]


def test_marks_count_from_the_start_of_the_session() -> None:
    detector = SpeechDetector(TurnDetection(prefix_padding_ms=0), heard_ms=60_000)
    assert detector.feed(silence(500) + tone(500, 3_000)) == [SpeechStarted(60_500)]


def test_nobody_holds_the_floor_for_ever() -> None:
    talk = (tone(900, 3_000) + silence(100)) * (TURN_MS_MAX // 1_000 + 5)
    marks = marks_of(silence(300) + talk)
    stops = [mark for mark in marks if isinstance(mark, SpeechStopped)]
    assert stops[0].at_ms == pytest.approx(TURN_MS_MAX, abs=500)
