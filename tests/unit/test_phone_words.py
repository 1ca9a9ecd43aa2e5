"""The words of the reception: every language has every sentence, and says its facts."""

import re
from dataclasses import asdict

import pytest

from agent.phone.texts import WORDS, words_for
from control_plane.phone.menu import SPOKEN
from shared.languages import ENGLISH_NAMES

_BRACES = re.compile(r"\{(\w+)\}")


def test_all_call_languages_have_words_and_a_key() -> None:
    assert set(WORDS) == set(ENGLISH_NAMES) == set(SPOKEN)


@pytest.mark.parametrize("language", sorted(ENGLISH_NAMES))
def test_a_language_names_the_same_prices_addresses_and_keys_as_english(language: str) -> None:
    english, words = asdict(WORDS["en"]), asdict(WORDS[language])
    for name, sentence in words.items():
        assert sorted(_BRACES.findall(sentence)) == sorted(_BRACES.findall(english[name])), name
    for name in ("menu", "more", "back"):
        assert set(re.findall(r"\d", words[name])) == set(re.findall(r"\d", english[name])), name


@pytest.mark.parametrize("language", sorted(set(ENGLISH_NAMES) - {"en"}))
def test_no_sentence_was_left_in_english(language: str) -> None:
    english, words = asdict(WORDS["en"]), asdict(WORDS[language])
    same = {name for name in words if words[name] == english[name]}
    assert same <= {"choice"}


def test_regions_and_unknown_languages_find_words() -> None:
    assert words_for("pt-BR") is WORDS["pt"]
    assert words_for("xx") is WORDS["en"]
    assert words_for("") is WORDS["en"]
