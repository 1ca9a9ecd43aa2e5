"""
How much work a text is, in the units of the price book. Pure; never words.

Before the work it is a guess, and the hold is the largest plausible one; after it, what was counted
by the provider, or measured on the audio.
"""

import math
from typing import Final

from billing.pricing import characters_of
from control_plane.tts.port import Tokens

TOKENS_PER_S: Final = 32  # of audio, at Gemini's speech models
CHARS_PER_S: Final = 15  # of alphabets, read aloud
WIDE_CHARS_PER_S: Final = 4  # of scripts in which a character is a syllable or a word
CHARS_PER_TOKEN: Final = 4  # of a prompt; a wide character is a token of its own
WIDE_FROM: Final = 0x1100  # Hangul, kana, Chinese and what comes after them
# A hold is that much more than the guess: slow speech and pauses. What goes beyond is on us.
HOLD_FACTOR: Final = 1.5
HOLD_TOKENS_MORE: Final = 100
HOLD_SECONDS_MORE: Final = 5


def expected(unit: str, text: str) -> int:
    """How much `text` will probably be, at least 1."""
    wide = sum(ord(letter) >= WIDE_FROM for letter in text)
    seconds = (len(text) - wide) / CHARS_PER_S + wide / WIDE_CHARS_PER_S
    amounts = {
        "character": characters_of(text),
        "token": math.ceil(_prompt_tokens(text) + seconds * TOKENS_PER_S),
        "second": math.ceil(seconds),
        "operation": 1,
    }
    return max(1, amounts[unit])


def at_most(unit: str, text: str) -> int:
    """What is held for `text`: exact where the text alone decides."""
    guess = expected(unit, text)
    if unit == "token":
        return math.ceil(guess * HOLD_FACTOR) + HOLD_TOKENS_MORE
    if unit == "second":
        return math.ceil(guess * HOLD_FACTOR) + HOLD_SECONDS_MORE
    return guess


def delivered(unit: str, text: str, *, duration_ms: int, tokens: Tokens | None) -> int:
    """What is billed. Tokens that the provider did not count are measured on the audio."""
    if unit == "token":
        if tokens is not None and tokens.total > 0:
            return tokens.total
        return math.ceil(_prompt_tokens(text) + duration_ms * TOKENS_PER_S / 1_000)
    if unit == "second":
        return max(1, -(-duration_ms // 1_000))
    return expected(unit, text)


def _prompt_tokens(text: str) -> float:
    wide = sum(ord(letter) >= WIDE_FROM for letter in text)
    return (len(text) - wide) / CHARS_PER_TOKEN + wide
