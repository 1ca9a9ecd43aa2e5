"""
Keeps a secret prompt from being read out, whatever made the model try.

A rule in the prompt is a request to the model; this is a check of what it says. It knows words that
are quoted, spelled letter by letter, shouted, or read backwards. It does not know a translation or
a summary: those are the model's own words. Pure: text in, the part that may go out comes back.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from shared.call_protocol import SCENE_MARK, CallConfig
from shared.languages import is_wide

HOLD_WEIGHT = 18  # three words: a phrase that people may share
LEAK_WEIGHT = 40  # eight words in a row: nobody says them by chance
AGAIN_WEIGHT = 24  # five of them, once the model has begun to read
COVERED_WEIGHT_MIN = 120  # in pieces over the call: a fifth of a short prompt ...
COVERED_SHARE = 1 / 3  # ... and a third of a long one
COVERED_STOPS_MAX = 3  # with that much told, so often again something new: the caller collects it
PIECE = 6  # characters; fewer weigh less than HOLD_WEIGHT, whatever the script
INDEXES_MAX = 16  # prompts of public characters are few; the index of a long one has 10 MB
SECRET_CHARS_MAX = 30_000  # longer than instructions may be
WIDE_WEIGHT = 3  # a character of such a script is about a third of a word


def squeezed(text: str) -> str:
    """Letters and digits alone, in small letters."""
    return "".join(char for char in text.lower() if char.isalnum())


def weight_of(text: str) -> int:
    """How much of a language `text` is, in letters of an alphabet."""
    return sum(WIDE_WEIGHT if is_wide(char) else 1 for char in text)


@dataclass(frozen=True, slots=True)
class _Index:
    """One direction of a secret, squeezed; `ends`: where each piece of PIECE letters ends."""

    text: str
    ends: Mapping[str, Sequence[int]]

    @classmethod
    def of(cls, text: str) -> "_Index":
        ends: defaultdict[str, list[int]] = defaultdict(list)
        for end in range(PIECE, len(text) + 1):
            ends[text[end - PIECE : end]].append(end)
        return cls(text, dict(ends))

    def longest_end(self, said: str) -> tuple[int, int]:
        """How much of the end of `said` occurs, and where that ends. Less than PIECE: perhaps."""
        longest, at = min(PIECE - 1, len(said)), 0
        for end in self.ends.get(said[-PIECE:], ()):
            length, most = PIECE, min(len(said), end)
            while length < most and said[-length - 1] == self.text[end - length - 1]:
                length += 1
            if length > longest:
                longest, at = length, end
        return longest, at


@lru_cache(maxsize=INDEXES_MAX)
def _indexes(secret: str) -> tuple[_Index, _Index]:
    plain = squeezed(secret[:SECRET_CHARS_MAX])
    return _Index.of(plain), _Index.of(plain[::-1])


@dataclass(slots=True)
class _Trace:
    """Follows one direction of the secret: the longest end of what was said that occurs in it."""

    secret: _Index
    tail: str = ""
    weight: int = 0
    covered: set[int] = field(default_factory=set)
    covered_weight: int = 0

    def add(self, char: str) -> bool:
        """Whether something was said that had not been before."""
        said = self.tail + char
        length, end = self.secret.longest_end(said)
        self.tail = said[-length:]
        self.weight = weight_of(self.tail)
        if self.weight < HOLD_WEIGHT:
            return False
        new = set(range(end - length, end)) - self.covered
        self.covered |= new
        self.covered_weight += sum(weight_of(self.secret.text[at]) for at in new)
        return bool(new)

    def begin_anew(self) -> None:
        """What was told before stays told."""
        self.tail, self.weight = "", 0


class PromptGuard:
    """
    Of one call. `has_leaked` is true from the word on that was too much, until `forgive`.

    `is_collected`: the caller gets the secret out of the model piece by piece, whatever we stop.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._traces = tuple(_Trace(index) for index in _indexes(secret))
        weight = weight_of(self._traces[0].secret.text)
        self._covered_max = max(COVERED_WEIGHT_MIN, round(weight * COVERED_SHARE))
        self._leak_weight = LEAK_WEIGHT
        self._covered_stops = 0
        self._held = ""
        self.has_leaked = False

    @property
    def is_collected(self) -> bool:
        return self._covered_stops >= COVERED_STOPS_MAX

    def feed(self, text: str) -> str:
        """What of it, and of what was held before, may go out now. Nothing after a leak."""
        released = ""
        for char in text:
            if self.has_leaked:
                return released
            self._held += char
            self._follow(char)
            if not self.has_leaked and max(one.weight for one in self._traces) < HOLD_WEIGHT:
                released += self._held
                self._held = ""
        return released

    def flush(self) -> str:
        """The turn is over: what was held, unless it is part of a leak."""
        held, self._held = self._held, ""
        return "" if self.has_leaked else held

    def forgive(self) -> None:
        """The leak was stopped. Less may pass from now on, and what was told is not forgotten."""
        self.has_leaked = False
        self._held = ""
        self._leak_weight = AGAIN_WEIGHT
        for trace in self._traces:
            trace.begin_anew()

    def safe_part(self, text: str) -> str:
        """The part of a whole text that may be kept and shown."""
        fresh = PromptGuard(self._secret)
        return (fresh.feed(text) + fresh.flush()).rstrip()

    def _follow(self, char: str) -> None:
        for letter in squeezed(char):
            for trace in self._traces:
                is_new = trace.add(letter)
                if self.has_leaked:
                    continue
                if is_new and trace.covered_weight >= self._covered_max:
                    self.has_leaked = True
                    self._covered_stops += 1
                elif trace.weight >= self._leak_weight:
                    self.has_leaked = True


def guard_of(config: CallConfig) -> PromptGuard | None:
    """
    A new one for a call with a secret: what is said and what tools are told are looked at apart.

    The scene is left out: with a long one of the caller's own, the character would be so small a
    share of the whole that all of it could be told in pieces.
    """
    if not config.instructions_locked:
        return None
    return PromptGuard(config.instructions.partition(SCENE_MARK)[0])
