"""
The phrase a person reads aloud to consent, and how well somebody was heard to read it. Pure.

The words are chosen at random for one consent and go stale within minutes, so an old recording of
the same person says the wrong ones. All of them are common, long enough to be told apart, and in
the vocabulary of the local stack's recogniser, which gets nine of eleven right in every voice.
"""

import re
import secrets
from difflib import SequenceMatcher
from typing import Final

OPENING: Final = "my voice may be cloned"
RANDOM_WORDS: Final = 6  # of 45: about 6 thousand million phrases
WORDS: Final = tuple(
    "apple balloon basket bottle butterfly calendar candle chocolate coffee dinner engine evening "
    "family festival forest garden guitar holiday hospital island jacket january kitchen market "
    "museum newspaper ocean october orange picture potato question rabbit restaurant saturday "
    "summer tomorrow umbrella university victory village window wonderful yellow yesterday".split()
)

# Of eleven words: two may be lost. The opening alone, which every recording has, makes 0.45.
MATCH_MIN: Final = 0.8
ALIKE_MIN: Final = 0.8  # "newspapers" for "newspaper", not "market" for "jacket"
EXTRA_WORDS_MAX: Final = 4  # a cough, a word begun twice; not a reading of the whole vocabulary
HEARD_WORDS_MAX: Final = 100  # a recording of the longest length has half of this

_NOT_IN_WORDS: Final = re.compile(r"[^\w']+")


def new_phrase() -> str:
    """The opening and six different words, which nobody can foresee."""
    return " ".join((OPENING, *secrets.SystemRandom().sample(WORDS, RANDOM_WORDS)))


def match_percent(phrase: str, heard: str) -> int:
    """
    How much of `phrase` was heard, its words in their order, 0 to 100, rounded down.

    More words than a reader adds by mistake count against it.
    """
    wanted, said = _words(phrase), _words(heard)[:HEARD_WORDS_MAX]
    if not wanted:
        return 0
    rows = [0] * (len(said) + 1)  # longest common subsequence of words, one row at a time
    for word in wanted:
        diagonal = 0
        for place, other in enumerate(said, start=1):
            above = rows[place]
            rows[place] = diagonal + 1 if _alike(word, other) else max(above, rows[place - 1])
            diagonal = above
    return 100 * rows[-1] // max(len(wanted), len(said) - EXTRA_WORDS_MAX)


def is_match(percent: int) -> bool:
    return percent >= 100 * MATCH_MIN


def _words(text: str) -> list[str]:
    return [word for word in _NOT_IN_WORDS.split(text.casefold()) if word]


def _alike(one: str, other: str) -> bool:
    return one == other or SequenceMatcher(None, one, other).ratio() >= ALIKE_MIN
