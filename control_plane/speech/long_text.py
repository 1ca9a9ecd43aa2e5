"""
Cuts a long text into pieces that can be spoken one by one, at the ends of sentences. Pure.

A cut that is missed costs nothing but a longer piece, a wrong one is heard; so where it is not
clear whether a sentence ends (an abbreviation, an initial, a small letter after it) none is seen.
"""

# ruff: noqa: RUF001 - marks of many scripts, each meant as it stands

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

# Scripts that put no space after a sentence end it with these alone.
_FULL_STOPS: Final = "。！？｡︒"
# These end a sentence where white space follows: "3.14", "a.b" and "what?!" go on.
_STOPS: Final = ".!?…؟۔।॥։።"
_CLOSERS: Final = "\"'”’»›)]}」』】）〉》"
_END: Final = re.compile(
    rf"(?:[{_FULL_STOPS}]+[{re.escape(_CLOSERS)}]*\s*)"
    rf"|(?:[{re.escape(_STOPS)}]+[{re.escape(_CLOSERS)}]*\s+)"
    r"|(?:\s*\n\s*)"
)
_CLAUSE: Final = re.compile(r"[,;:–—，、；：]\s*(?!\d)")
_SPACE: Final = re.compile(r"\s+")
_INITIALS: Final = re.compile(r"(?:^|[\W\d_])(?:[^\W\d_]\.)*[^\W\d_]$")  # "J", "e.g", "z.B"
_LIST_NUMBER: Final = re.compile(r"(?:^|\n)[ \t]*\d{1,3}$")  # "2" of "2. Second"
_LAST_WORD: Final = re.compile(r"[^\W\d_]+$")
_LOOK_BACK: Final = 24  # characters; longer than any abbreviation

# Titles and shortened words of the languages we speak, as they stand before a full stop.
_ABBREVIATIONS: Final = frozenset(
    (
        "mr mrs ms dr prof sr sra srta jr st mt ft vs etc inc ltd co corp no nr nos vol fig figs "
        "pp ed eds al ca approx dept est gen gov capt col sgt lt rev hon pres sen rep jan feb mar "
        "apr jun jul aug sep sept oct nov dec bzw usw evtl ggf inkl str abb bd hr fr tel nat mio "
        "mrd mme mlle mm av bd env art chap ej pág págs ud uds núm dott sig sigg ecc pag dtt ing "
        "avv np tzn itd itp ul прим им ул тыс млн млрд руб стр рис"
    ).split()
)


def cut(text: str, *, limit: int) -> list[str]:
    """
    Pieces of `text`, each of 1 to `limit` characters, that make the text again when put together.

    A sentence longer than the limit is cut after a clause, else at a space, else between two
    letters.
    """
    assert limit > 0, "a piece has at least one character"
    pieces: list[str] = []
    gathered = ""
    for sentence in _sentences(text):
        for part in _within(sentence, limit):
            if gathered and len(gathered) + len(part) > limit:
                pieces.append(gathered)
                gathered = ""
            gathered += part
    return [*pieces, gathered] if gathered else pieces


def is_speakable(piece: str) -> bool:
    """Whether there is anything in it that sounds."""
    return any(character.isalnum() for character in piece)


def _sentences(text: str) -> Iterator[str]:
    """Each with the white space after it."""
    start = 0
    for found in _END.finditer(text):
        if _ends_here(text, found):
            yield text[start : found.end()]
            start = found.end()
    if start < len(text):
        yield text[start:]


def _ends_here(text: str, found: re.Match[str]) -> bool:
    stop = found.group()
    if "\n" in stop or stop[0] in _FULL_STOPS:
        return True
    following = text[found.end() : found.end() + 1]
    if following.islower() and stop[0] in ".…":
        return False
    if stop[0] != "." or stop.startswith(".."):
        return True
    before = text[max(0, found.start() - _LOOK_BACK) : found.start()]
    word = _LAST_WORD.search(before)
    is_short = bool(word and word.group().lower() in _ABBREVIATIONS)
    return not (is_short or _INITIALS.search(before) or _LIST_NUMBER.search(before))


def _within(sentence: str, limit: int) -> Iterator[str]:
    """The sentence in parts no longer than the limit."""
    rest = sentence
    while len(rest) > limit:
        at = _best_cut(rest, limit)
        yield rest[:at]
        rest = rest[at:]
    yield rest


def _best_cut(text: str, limit: int) -> int:
    """Where to cut a text that is too long: 1 to `limit`."""
    window = text[: limit + 1]  # a mark right at the limit may be used as well
    for pattern, earliest in ((_CLAUSE, limit // 2), (_SPACE, 0)):
        for found in reversed([*pattern.finditer(window, earliest)]):
            at = min(found.end(), limit)
            if not _is_inside_number(text, at):
                return at
    at = limit
    while at > 1 and _hangs_on(text[at]):
        at -= 1
    return at if at > 1 or not _hangs_on(text[1]) else limit


def _is_inside_number(text: str, at: int) -> bool:
    """Between the digits of "1 000 000"."""
    before, after = text[:at].rstrip(), text[at:].lstrip()
    return before[-1:].isdigit() and after[:1].isdigit()


def _hangs_on(character: str) -> bool:
    """Part of the letter before it: an accent, a joiner, a variation mark, a skin tone."""
    return (
        unicodedata.combining(character) != 0
        or unicodedata.category(character) in {"Mn", "Me", "Mc", "Cf"}
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )
