"""What 8 kHz leaves of a voice, and what the local voice still understands of it."""

import numpy as np

from local.microphone import duration_s, spoken
from local.telephone import by_telephone
from local.voice.persona import PHRASES
from local.voice.recognition import Recognizer
from local.voice.speech import SPEECH_RATE_HZ

UNDERSTOOD_SHARE_MIN = 0.75  # 23 of 29 when this was written; all of them over a wide band


def test_a_telephone_line_carries_nothing_above_4_khz_and_keeps_the_length() -> None:
    wide = spoken("tell me a story")
    narrow = by_telephone(wide)
    assert abs(duration_s(narrow) - duration_s(wide)) < 0.001

    def share_above_4_khz(pcm: bytes) -> float:
        spectrum = np.abs(np.fft.rfft(np.frombuffer(pcm, dtype="<i2").astype(float))) ** 2
        hertz = np.fft.rfftfreq(len(pcm) // 2, 1 / SPEECH_RATE_HZ)
        return float(spectrum[hertz > 4_100].sum() / spectrum.sum())

    assert share_above_4_khz(wide) > 0.001
    assert share_above_4_khz(narrow) < 0.0001


def test_silence_stays_silent() -> None:
    assert by_telephone(bytes(4_800)) == bytes(4_800)


def test_most_phrases_are_understood_over_a_telephone_line() -> None:
    recognizer = Recognizer(PHRASES)
    understood = sum(
        recognizer.words_of(by_telephone(spoken(phrase)), rate_hz=SPEECH_RATE_HZ) == phrase
        for phrase in PHRASES
    )
    assert understood >= UNDERSTOOD_SHARE_MIN * len(PHRASES), understood
