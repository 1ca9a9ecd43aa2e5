"""The languages of calls, by the codes upstream's clients send, with their English names."""

from collections.abc import Mapping
from typing import Final, TypeVar

T = TypeVar("T")

DEFAULT_LANGUAGE: Final = "en"

ENGLISH_NAMES: Final = {
    "ar": "Arabic",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fi": "Finnish",
    "fr": "French",
    "hi": "Hindi",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "sv": "Swedish",
    "tr": "Turkish",
    "zh": "Chinese",
}

LANGUAGES: Final = frozenset(ENGLISH_NAMES)

_WIDE_FROM: Final = 0x2E80


def base_of(language: str) -> str:
    """The language of a tag: "pt" of "pt-BR"."""
    return language.partition("-")[0].lower()


def of_language(table: Mapping[str, T], language: str) -> T:
    """What a table by language has for a tag; English stands in for what it does not have."""
    found = table.get(base_of(language))
    return table[DEFAULT_LANGUAGE] if found is None else found


def is_wide(char: str) -> bool:
    """Whether it is Chinese, Japanese or Korean, where words do not stand apart."""
    return ord(char) >= _WIDE_FROM
