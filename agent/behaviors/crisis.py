"""
A caller who speaks of killing or hurting themselves is told where help is.

Words decide, by language: a short list that finds the plain ways to say it and lets the rest pass.
A moderation model may see more (`moderation.py`). Both are a safety net with wide meshes, not a
diagnosis; nothing that was said is logged or counted, only that it happened.
"""

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.behaviors.aside import Aside
from agent.page import Page
from agent.phrases import exactly
from shared.call_protocol import EventKind, Notice
from shared.languages import base_of, is_wide

AGAIN_AFTER_S = 300.0  # said once, it is not repeated at each sentence; the page keeps it

# By language, in small letters, without punctuation, as `_plain` leaves them.
WORDS: Final[dict[str, list[str]]] = json.loads(
    Path(__file__).with_name("crisis_words.json").read_text(encoding="utf-8")
)

_SPACES = re.compile(r"\s+")
_STROKES = str.maketrans({"ø": "o", "ł": "l", "\u0131": "i", "đ": "d", "\u2019": "'"})


def _plain(words: str) -> str:
    """Small letters; without accents where the alphabet is Latin, since recognisers drop them."""
    lowered = words.lower().translate(_STROKES)
    parts = unicodedata.normalize("NFD", lowered)
    stripped = "".join(
        char
        for before, char in zip(" " + parts, parts, strict=False)
        if not (unicodedata.combining(char) and "a" <= before <= "z")
    )
    kept = unicodedata.normalize("NFC", stripped)
    return _SPACES.sub(" ", re.sub(r"[^\w' \u0300-\u0fff]+", " ", kept)).strip()


def speaks_of_crisis(words: str, language: str) -> bool:
    """Whether the caller's words are on the list of the call's language, or of English."""
    plain = f" {_plain(words)}"
    own = WORDS.get(base_of(language), [])
    return any(_occurs(phrase, plain) for phrase in (*own, *WORDS["en"]))


def _occurs(phrase: str, plain: str) -> bool:
    """At the beginning of a word, where the language has words; its end may be inflected."""
    wanted = unicodedata.normalize("NFC", phrase)
    return f" {wanted}" in plain or (is_wide(wanted[0]) and wanted in plain)


@dataclass(slots=True)
class Crisis:
    """Tells where help is, once in a while; owns no clock. Without a `referral` it does nothing."""

    language: str
    referral: str | None
    page: Page
    aside: Aside
    on_event: Callable[[EventKind], None]
    _last_s: float | None = None

    def is_heard_in(self, words: str) -> bool:
        return bool(self.referral) and speaks_of_crisis(words, self.language)

    def refer(self, kind: EventKind, now_s: float) -> None:
        """`kind` says who noticed: our words or the model."""
        if not self.referral:
            return
        if self._last_s is not None and now_s - self._last_s < AGAIN_AFTER_S:
            return
        self._last_s = now_s
        self.page.notify(Notice(kind="crisis", message=self.referral))
        self.aside.at_once(exactly(self.referral, self.language))
        self.on_event(kind)
