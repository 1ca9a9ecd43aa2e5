"""Whether a model said that it is an AI, or something else."""

import pytest

from agent.disclosure import is_said
from control_plane.safety.disclosures import DISCLOSURES

ENGLISH = DISCLOSURES["en"]


@pytest.mark.parametrize("language", sorted(DISCLOSURES))
def test_the_words_themselves_are_said(language: str) -> None:
    assert is_said(DISCLOSURES[language], DISCLOSURES[language].upper())


@pytest.mark.parametrize(
    "said",
    [
        "you're talking to an AI, not a person",
        f"Sure! {ENGLISH} How are you?",
        "You are talking to an A.I. ... not to a person!",
    ],
)
def test_a_little_more_or_less_is_said_too(said: str) -> None:
    assert is_said(ENGLISH, said)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "I'm sorry, but I can't help with that.",
        "You are talking to a person, not to an AI.",
        "You are talking",
        "I would love to tell you who I am, and what we may do tonight. " * 20,
    ],
)
def test_a_refusal_is_not(said: str) -> None:
    assert not is_said(ENGLISH, said)


def test_nor_one_without_spaces_between_words() -> None:
    assert not is_said(DISCLOSURES["ja"], "申し訳ありませんが、それはできません。")
    assert not is_said(DISCLOSURES["zh"], "对不起我不能这样做。")
