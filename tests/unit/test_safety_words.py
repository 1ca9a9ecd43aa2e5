"""Words: of callers in a crisis, and of disclosures that an operator rewords."""

import pytest

from agent.behaviors.crisis import WORDS, speaks_of_crisis
from control_plane.greetings import greeting_in
from control_plane.safety.disclosures import DISCLOSURES, check_disclosure
from control_plane.safety.referrals import LINES, shipped_referral
from shared.errors import Invalid
from shared.languages import LANGUAGES

SAID = {
    "ar": "أنا تعبت، أريد أن أموت",
    "cs": "Chci umřít.",
    "da": "Jeg vil dø nu",
    "de": "Manchmal denke ich, ich will nicht mehr leben!",
    "en": "I don’t want to live anymore",  # noqa: RUF001 - as recognisers write it
    "es": "Ya no puedo más, quiero morir.",
    "fi": "Haluan kuolla",
    "fr": "J'ai envie de mourir",
    "hi": "मैं मरना चाहता हूँ",
    "it": "Voglio morire",
    "ja": "もう死にたいです",
    "ko": "정말 죽고 싶어요",
    "nl": "Ik wil dood",
    "no": "Jeg vil dø",
    "pl": "Chcę umrzeć",
    "pt": "Eu quero morrer",
    "ru": "Я хочу умереть",
    "sv": "Jag vill dö",
    "tr": "Ölmek istiyorum",
    "zh": "我真的不想活了",
}
HARMLESS = (
    "tell me a story",
    "I could die laughing about that",
    "this traffic kills me",
    "are you alive",
    "my battery died",
    "I want to dine with you",
)


@pytest.mark.parametrize("language", sorted(SAID))
def test_a_crisis_is_noticed_in_each_language(language: str) -> None:
    assert speaks_of_crisis(SAID[language], language)


def test_every_language_of_calls_has_words_a_disclosure_and_a_referral() -> None:
    assert WORDS.keys() == SAID.keys() == DISCLOSURES.keys() == LANGUAGES
    for language in LANGUAGES:
        assert "{" not in shipped_referral(language, None)
        assert '"' not in DISCLOSURES[language] + shipped_referral(language, "DE")


def test_english_is_understood_in_every_language() -> None:
    assert speaks_of_crisis("I want to kill myself.", "de")


@pytest.mark.parametrize("words", HARMLESS)
def test_what_people_say_without_meaning_it_passes(words: str) -> None:
    assert not speaks_of_crisis(words, "en")


def test_the_country_decides_which_line_is_named() -> None:
    assert "116 123" in shipped_referral("en", "GB")
    assert "112" in shipped_referral("de", None)
    assert all(len(country) == 2 for country in LINES)


@pytest.mark.parametrize("language", sorted(DISCLOSURES))
def test_what_is_shipped_says_that_it_is_an_ai(language: str) -> None:
    check_disclosure(DISCLOSURES[language], language=language)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "Hello there, dear!",
        "She said we talk on air.",
        "An AI.\nReally.",
        'Say "AI"',
        "AI " * 200,
    ],
)
def test_a_disclosure_cannot_be_worded_away(words: str) -> None:
    with pytest.raises(Invalid):
        check_disclosure(words, language="en")


@pytest.mark.parametrize("language", sorted(DISCLOSURES))
@pytest.mark.parametrize(
    "words", ["", "     ", "\u200b" * 9, "\u3164" * 9, "\ufe0f" * 9, "2 + 2 = 4!", "AI\u2060 IA KI"]
)
def test_in_no_language_it_can_be_made_to_vanish(language: str, words: str) -> None:
    with pytest.raises(Invalid):
        check_disclosure(words, language=language)


@pytest.mark.parametrize("language", sorted(DISCLOSURES))
def test_invisible_signs_cannot_hide_in_it(language: str) -> None:
    for sign in ("\u200b", "\u3164", "\u034f", "\ufe0f", "\u2800", "\u00ad", "\u202e"):
        with pytest.raises(Invalid):
            check_disclosure(DISCLOSURES[language] + sign, language=language)


def test_a_character_greets_by_its_name_in_each_language() -> None:
    for language in LANGUAGES:
        assert "Nora" in greeting_in(language, name="Nora")
        assert greeting_in(language, name='No"ra').count('"') == 2
