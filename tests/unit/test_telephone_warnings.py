"""The last minute over a telephone line: what the agent says is still told apart at 8 kHz."""

import pytest

from agent.phrases import ENGLISH
from local.microphone import RATE_HZ
from local.telephone import by_telephone
from local.voice.recognition import Recognizer
from local.voice.speech import synthesize

WARNINGS = (
    "you have sixty seconds left",
    "you have fifty nine seconds left",
    "you have twenty seconds left",
    "you have nineteen seconds left",
    "our time is up goodbye",
)
# What it could be mistaken for.
OTHERS = (
    "you have sixteen seconds left",
    "you have six seconds left",
    "you have twelve seconds left",
    "you have seventy seconds left",
    "thank you your credit was added we can go on",
)


def test_these_are_the_words_of_the_agent() -> None:
    assert ENGLISH.seconds_left.format(seconds=20) == "You have 20 seconds left."
    assert ENGLISH.goodbye == "Our time is up. Goodbye!"


@pytest.mark.parametrize("words", WARNINGS)
def test_a_warning_is_understood_by_telephone(words: str) -> None:
    recognizer = Recognizer((*WARNINGS, *OTHERS))
    heard = by_telephone(synthesize(words, "Ara").pcm)
    assert recognizer.words_of(heard, rate_hz=RATE_HZ) == words
