"""The form of a memory: one short line of plain text in a named slot. Pure."""

import re
import unicodedata
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

from shared.errors import Invalid

CONTENT_CHARS_MAX: Final = 300
SLOT_CHARS_MAX: Final = 40
SLOT_HASH_BYTES: Final = 8
BYTES_A_TOKEN: Final = 3  # fewer than any tokeniser in use needs on average: the budget holds
WORD_CHARS_MIN: Final = 3
_PREFIX_CHARS: Final = 5  # sister and sisters are one word here
_SAME_SHARE: Final = 0.5
EMPTY_WORDS: Final = frozenset(
    "a an as at be by do i in is it me my of on or to the and for are was that this what which "
    "where about with have has does you your his her its not please forget remember said says "
    "caller told tell wants likes".split()
)

# Marks that are parts of words in India's scripts, and no letters to Python.
_WORD: Final = re.compile(r"[\w\u0900-\u0963\u0970-\u0d7f]+")
# Chinese, Japanese and Korean: a clause without a space is no word. What is left between its small
# words (of Japanese all that is in hiragana) is compared by one and two characters.
_WIDE: Final = re.compile(r"[\u2e80-\U0003ffff]+")
_HAN: Final = re.compile(r"[\u4e00-\u9fff]")
_EMPTY_WIDE: Final = re.compile(
    "[\u3040-\u309f]+|用户|使用者|喜欢|喜歡|忘记|忘掉|忘記|记住|記住|我|你|他|她|的|是|了|请|請|有"
    "|ユーザー|私|僕|彼女|彼|好(?=き)|忘(?=れ)|覚(?=え)|사용자|좋아|기억|잊어|저는|제가|나는|내가"
)

# Controls, invisible formats (also those that turn the direction of a line), and half characters.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def plain_line(text: str, *, chars_max: int = CONTENT_CHARS_MAX) -> str:
    """One line without anything invisible, cut at `chars_max`; "" when nothing is left."""
    seen = "".join(" " if unicodedata.category(char) in _UNSEEN else char for char in text)
    return " ".join(seen.split())[:chars_max].rstrip()


def content_of(text: str) -> str:
    """What may be stored. Raises Invalid for an empty text or one that is too long."""
    line = plain_line(text, chars_max=len(text) + 1)
    if not line:
        raise Invalid("Invalid request body", details="content: must not be empty")
    if len(line) > CONTENT_CHARS_MAX:
        details = f"content: must have at most {CONTENT_CHARS_MAX} characters"
        raise Invalid("Invalid request body", details=details)
    return line


def slot_of(name: str, *, content: str) -> str:
    """A name of letters, digits and underscores; made of the content where there is none."""
    plain = unicodedata.normalize("NFKD", name or content).encode("ascii", "ignore").decode()
    slot = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")[:SLOT_CHARS_MAX].strip("_")
    if slot:
        return slot
    # Of all of it: what begins alike ("The caller likes ...") is not the same fact.
    whole = (name.strip().lower() or content).encode(errors="replace")
    return f"note_{blake2b(whole, digest_size=SLOT_HASH_BYTES).hexdigest()}"


def token_count(text: str) -> int:
    """At least as many tokens as a model will count."""
    return -(-len(text.encode()) // BYTES_A_TOKEN)


def words_of(text: str) -> frozenset[str]:
    """The words that carry meaning, as prefixes; of wide scripts the characters that do."""
    words = _WORD.findall(_WIDE.sub(" ", text.lower()))
    narrow = (
        word[:_PREFIX_CHARS]
        for word in words
        if len(word) >= WORD_CHARS_MIN and word not in EMPTY_WORDS
    )
    return frozenset((*narrow, *_wide_pieces(text)))


def _wide_pieces(text: str) -> Iterator[str]:
    for word in _WORD.findall(text):
        for run in _WIDE.findall(_EMPTY_WIDE.sub(" ", word)):
            yield from (run[at : at + 2] for at in range(len(run) - 1))
            yield from _HAN.findall(run)


def is_about(text: str, forgotten: str) -> bool:
    """Whether `text` says what somebody asked to forget: half of the shorter one's words."""
    ours, theirs = words_of(text), words_of(forgotten)
    shorter = min(len(ours), len(theirs))
    if not shorter:
        return text.lower() == forgotten.lower()
    return len(ours & theirs) / shorter >= _SAME_SHARE
