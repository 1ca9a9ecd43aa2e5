"""Long texts are cut where a reader takes breath, and nothing of them is lost."""

# ruff: noqa: RUF001 - marks of many scripts, each meant as it stands

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from control_plane.speech.long_text import cut, is_speakable

SENTENCES = st.lists(
    st.sampled_from(
        [
            "Hello there. ",
            "3.14 is pi! ",
            "こんにちは。",
            "Dr. Who? ",
            "…\n\n",
            "a" * 70,
            " 1,000 000 ",
        ]
    ),
    max_size=60,
).map("".join)
TEXTS = st.one_of(st.text(max_size=400), SENTENCES)


@given(text=TEXTS, limit=st.integers(1, 120))
@example(text="a\u0301" * 9, limit=1)
@example(text=" \n" * 50, limit=3)
def test_pieces_are_the_text_again_and_none_is_too_long(text: str, limit: int) -> None:
    pieces = cut(text, limit=limit)

    assert "".join(pieces) == text
    assert all(1 <= len(piece) <= limit for piece in pieces)


@given(text=SENTENCES, limit=st.integers(80, 300))
def test_no_two_neighbours_would_have_fitted_into_one_piece(text: str, limit: int) -> None:
    """More pieces than needed are more joints to hear."""
    pieces = cut(text, limit=limit)

    sentence_max = 80
    assert all(len(one) + len(two) > limit - sentence_max for one, two in pairwise(pieces))


@given(st.integers(0, 10**12), st.integers(0, 999_999))
def test_a_number_with_a_point_stays_whole(whole: int, fraction: int) -> None:
    number = f"{whole}.{fraction}"
    text = f"It has {number} parts. And {number} more. " * 3

    for piece in cut(text, limit=len(number) + 20):
        assert piece.count(str(whole) + ".") == piece.count(number)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("One is here. Two is here. Three.", ["One is here. ", "Two is here. ", "Three."]),
        ("Really? Yes! He said so.", ["Really? Yes! ", "He said so."]),
        ("He met Dr. Smith. They ate.", ["He met Dr. ", "Smith. ", "They ate."]),
        ("我喜歡音樂。你呢？我也喜歡。", ["我喜歡音樂。你呢？", "我也喜歡。"]),
        ("first line\nsecond line", ["first line\n", "second line"]),
        ('"Go away." She left.', ['"Go away." ', "She left."]),
        ("मैं आया। वह गया।", ["मैं आया। ", "वह गया।"]),
    ],
)
def test_cuts_fall_on_the_ends_of_sentences(text: str, pieces: list[str]) -> None:
    limit = 12 if len(pieces) != 2 else max(map(len, pieces))

    assert cut(text, limit=limit + 1) == pieces


@pytest.mark.parametrize(
    "text",
    [
        "She saw Mr. Brown yesterday and waved",
        "J. R. R. Tolkien wrote it",
        "We like fruit, e.g. Apples and pears",
        "Das kostet z.B. Geld und Zeit",
        "It grew by approx. five percent",
        "2. Second point of the list",
        "Wait... what was that then",
        "Version 3.11.2 of the program",
    ],
)
def test_what_only_looks_like_an_end_is_none(text: str) -> None:
    """With a second sentence behind it that does not fit, the first one is left whole."""
    pieces = cut(f"{text}. Next comes this.", limit=len(text) + 2)

    assert pieces == [f"{text}. ", "Next comes this."]


def test_a_long_sentence_is_cut_after_a_clause_before_a_space() -> None:
    text = "This goes on and on, and it has no end that anybody could see"

    assert cut(text, limit=30)[0] == "This goes on and on, "


def test_without_a_clause_it_is_cut_between_words() -> None:
    text = "several words without any mark at all"

    assert cut(text, limit=12) == ["several ", "words ", "without any ", "mark at all"]


def test_a_word_that_is_too_long_is_cut_between_letters_not_inside_one() -> None:
    letter = "e\u0301"

    pieces = cut(letter * 10, limit=5)

    assert pieces == [letter * 2] * 5


def test_a_number_in_groups_is_not_cut_where_a_word_can_be() -> None:
    pieces = cut("there are 1 000 000 of them here", limit=15)

    assert not any(piece.rstrip().endswith(("1", "1 000")) for piece in pieces)


def test_nothing_has_no_pieces() -> None:
    assert cut("", limit=5) == []


def test_marks_alone_are_not_spoken() -> None:
    assert not is_speakable(" …\n- ")
    assert is_speakable(" … ok")
    assert is_speakable("。音")
