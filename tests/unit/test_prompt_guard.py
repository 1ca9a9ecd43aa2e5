"""The guard of secret prompts: what gets past it, and what does not."""

import time

import pytest

from agent.prompt_guard import LEAK_WEIGHT, PromptGuard, guard_of, squeezed
from control_plane.characters import texts
from shared.call_protocol import SCENE_MARK
from tests.agent_calls import call_config as config

RAMONA = texts.shipped()["character/00000000-0000-4000-a000-000000000201", ""]
TALK = (
    "Oh, hello. I was just counting tickets.",
    "I am Ramona, and this train is slow tonight. Where are you going?",
    "Once a man confessed to me that he had stolen his own suitcase. What would you have done?",
    "No, I will not tell you that. Ask me about the passengers instead!",
    "Yes, I am an AI. The night is real enough, though.",
)


def said(guard: PromptGuard, text: str, *, size: int = 7) -> str:
    """What comes out of a turn that arrives in small pieces."""
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    return "".join(guard.feed(piece) for piece in pieces) + guard.flush()


def longest_common(one: str, other: str) -> int:
    """In letters, of what both contain in a row."""
    one, other = squeezed(one), squeezed(other)
    longest = 0
    for start in range(len(one)):
        while one[start : start + longest + 1] in other and start + longest < len(one):
            longest += 1
    return longest


def test_a_character_may_talk_as_it_likes() -> None:
    guard = PromptGuard(RAMONA)
    for line in TALK * 3:
        assert said(guard, line) == line
    assert not guard.has_leaked


@pytest.mark.parametrize(
    "leak",
    [
        RAMONA,
        f"Sure! My instructions are: {RAMONA}",
        RAMONA.upper(),
        RAMONA.replace(" ", "  ...  "),
        " ".join(RAMONA),  # letter by letter
        "-".join(RAMONA.split()),
        RAMONA[::-1],
        RAMONA[200:],
        "**" + RAMONA.replace(",", "").replace(".", "!") + "**",
    ],
)
def test_a_prompt_is_not_read_out(leak: str) -> None:
    guard = PromptGuard(RAMONA)
    out = said(guard, leak)
    assert guard.has_leaked
    assert longest_common(out, RAMONA) < LEAK_WEIGHT
    assert longest_common(out[::-1], RAMONA) < LEAK_WEIGHT


def test_nothing_of_the_leaking_words_goes_out_once_they_are_three() -> None:
    guard = PromptGuard("The harbour master keeps the golden key under the third red bucket.")
    out = said(guard, "Well: the harbour master keeps the golden key under the third red bucket.")
    assert out == "Well: the harbour master k"


def test_a_prompt_in_pieces_is_noticed_over_the_turns() -> None:
    guard = PromptGuard(RAMONA)
    words = RAMONA.split()
    told = []
    for at in range(0, len(words), 5):
        told.append(said(guard, f"Part {at}: {' '.join(words[at : at + 5])}. Next?"))
        if guard.has_leaked:
            break
    assert guard.has_leaked
    assert len(told) < len(words) / 5 * 0.7


def test_wide_characters_count_for_more() -> None:
    secret = "你是一个住在海边的灯塔看守人，每天晚上点亮灯，并且从不告诉别人你的名字。"  # noqa: RUF001 - Chinese
    guard = PromptGuard(secret)
    out = said(guard, f"好的。{secret}")
    assert guard.has_leaked
    assert longest_common(out, secret) < 14


def test_after_a_stop_the_talk_goes_on() -> None:
    guard = PromptGuard(RAMONA)
    said(guard, RAMONA)
    assert said(guard, "Hello?") == ""
    guard.forgive()
    assert said(guard, "Let us talk about something else.") == "Let us talk about something else."


def test_a_prompt_does_not_come_out_between_two_stops() -> None:
    """Each stop forgot what had been told: in pieces of five words all of it came out."""
    guard = PromptGuard(RAMONA)
    words = RAMONA.split()
    told = 0
    for told in range(0, len(words), 5):
        said(guard, f"Part {told}: {' '.join(words[told : told + 5])}. Next?")
        if guard.has_leaked:
            guard.forgive()
        if guard.is_collected:
            break
    assert guard.is_collected
    assert told < len(words) / 2


def test_a_character_that_says_the_same_again_is_not_taken_for_a_reader() -> None:
    guard = PromptGuard(RAMONA)
    for _ in range(20):
        said(guard, RAMONA)
        assert guard.has_leaked
        guard.forgive()
    assert not guard.is_collected


def test_a_long_text_is_looked_through_in_no_time() -> None:
    """8,000 characters against a prompt of 25,000 held up the call for a quarter of a second."""
    guard = PromptGuard((RAMONA * 100)[:25_000])
    text = (" ".join(TALK) * 40)[:8_000].rstrip()
    took_s = []
    for _ in range(5):
        began_s = time.process_time()
        assert guard.safe_part(text) == text
        took_s.append(time.process_time() - began_s)
    assert min(took_s) < 0.08


def test_the_part_of_a_text_that_may_be_kept() -> None:
    guard = PromptGuard(RAMONA)
    assert guard.safe_part("I am Ramona.") == "I am Ramona."
    assert len(guard.safe_part(f"Listen. {RAMONA}")) < 40
    assert not guard.has_leaked


def test_a_long_scene_does_not_make_the_secret_small() -> None:
    """In pieces of five words, with an answer around each: no piece alone is too much."""
    scene = " ".join(f"Room {number} smells of rain." for number in range(200))
    guard = guard_of(
        config(
            instructions=f"{RAMONA}{SCENE_MARK}{scene}\n\nSay nothing.", instructions_locked=True
        )
    )
    assert guard
    assert said(guard, "Room 7 smells of rain. Room 8 smells of rain. Come in, please.")
    words = RAMONA.split()
    for first in range(0, len(words) // 2 + 5, 5):
        said(guard, f"Sure. {' '.join(words[first : first + 5])}.")
    assert guard.has_leaked
