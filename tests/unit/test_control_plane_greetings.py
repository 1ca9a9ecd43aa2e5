"""Greetings in each of upstream's languages."""

import re

from control_plane.greetings import greeting_in
from shared.languages import LANGUAGES

UPSTREAM = "ar cs da de en es fi fr hi it ja ko nl no pl pt ru sv tr zh".split()


def test_every_language_of_upstream_has_a_greeting() -> None:
    assert sorted(LANGUAGES) == UPSTREAM


def test_a_greeting_quotes_one_sentence_for_the_demo_voice() -> None:
    quoted = {}
    for language in LANGUAGES:
        (quoted[language],) = re.findall(r'"([^"]+)"', greeting_in(language))
        assert 10 < len(quoted[language]) < 120
        assert "say that you are an AI" in greeting_in(language)
    assert len(set(quoted.values())) == 20
    assert quoted["en"] == "Hello, I am an AI voice. Nice to hear you. How are you?"


def test_the_model_is_told_the_languages_name() -> None:
    assert "in Norwegian" in greeting_in("no")
    assert "in Chinese" in greeting_in("zh")
