"""The phrase of a consent: unforeseeable, told apart from others, forgiving to who reads it."""

import random

import pytest

from control_plane.cloning.phrases import (
    OPENING,
    RANDOM_WORDS,
    WORDS,
    is_match,
    match_percent,
    new_phrase,
)
from local.voice.consent_recognition import ConsentRecognizer
from local.voice.speech import BYTES_PER_MS, SPEECH_RATE_HZ, synthesize

PHRASE = f"{OPENING} apple candle forest guitar island market"


def test_a_phrase_is_the_opening_and_different_known_words() -> None:
    phrases = {new_phrase() for _ in range(200)}
    assert len(phrases) == 200
    for phrase in phrases:
        words = phrase.removeprefix(f"{OPENING} ").split()
        assert len(set(words)) == RANDOM_WORDS
        assert set(words) <= set(WORDS)


@pytest.mark.parametrize(
    "heard",
    [
        PHRASE,
        "My voice may be cloned: Apple, candle, forest, guitar, island, market.",
        "my voice maybe cloned apple candle forest guitar island market",
        "um my voice may be cloned apple apple candle uh forest guitars island market",
        "my voice may be cloned apple candle guitar island market",
    ],
)
def test_small_slips_of_reader_and_recogniser_are_forgiven(heard: str) -> None:
    assert is_match(match_percent(PHRASE, heard))


OTHERS = {
    "nothing": "",
    "the opening alone": OPENING,
    "an older recording": f"{OPENING} rabbit summer ocean picture dinner jacket",
    "another order": f"{OPENING} market island guitar forest candle apple",
    "no opening": "apple candle forest",
    "the whole vocabulary": " ".join((OPENING, *WORDS)),
    "the vocabulary again and again": " ".join((OPENING, *WORDS)) * 50,
    "no text": "\ud800 \x00",
}


@pytest.mark.parametrize("heard", OTHERS.values(), ids=OTHERS.keys())
def test_other_words_are_no_consent(heard: str) -> None:
    assert not is_match(match_percent(PHRASE, heard))


def test_the_match_is_whole_percent_rounded_down() -> None:
    assert match_percent(PHRASE, PHRASE) == 100
    assert match_percent(PHRASE, OPENING) == 45
    assert match_percent("", "apple") == 0


@pytest.fixture(scope="module")
def recognizer() -> ConsentRecognizer:
    return ConsentRecognizer()


def test_spoken_phrases_are_heard_well_enough(recognizer: ConsentRecognizer) -> None:
    """
    Hardly any is missed; who is, reads it again.

    No reading by espeak is like another. Of these phrases one is missed one time in seven, the
    others were never, so the bound is far from chance and close to a recogniser that got worse.
    """
    chance = random.Random(7)
    missed = []
    for _ in range(8):
        phrase = " ".join((OPENING, *chance.sample(WORDS, RANDOM_WORDS)))
        for voice in ("caller", "Ara", "Rex"):
            heard = recognizer.words_of(synthesize(phrase, voice).pcm, rate_hz=SPEECH_RATE_HZ)
            if not is_match(match_percent(phrase, heard)):
                missed.append((voice, phrase, heard))
    assert len(missed) <= 4, missed  # of 24


def test_other_sentences_match_no_phrase(recognizer: ConsentRecognizer) -> None:
    pause = bytes(300 * BYTES_PER_MS)
    for sentence in (
        "could you please open the window for me",
        "and then we went on to the next town and stayed there",
        f"{OPENING} rabbit summer ocean picture dinner jacket",
    ):
        heard = recognizer.words_of(synthesize(sentence).pcm + pause, rate_hz=SPEECH_RATE_HZ)
        assert not is_match(match_percent(PHRASE, heard)), heard
    assert recognizer.words_of(bytes(48_000), rate_hz=SPEECH_RATE_HZ) == ""
