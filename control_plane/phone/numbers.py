"""How trunks write telephone numbers, and how we do: E.164, with the plus. And who speaks what."""

import re
from typing import Final

from control_plane.phone.trunk_file import NUMBER_PATTERN
from shared.languages import DEFAULT_LANGUAGE

# What most callers from there understand; countries with two languages are left to English.
_SPOKEN: Final = {
    "ar": "20 212 213 216 218 249 961 962 963 964 965 966 967 968 970 971 973 974",
    "cs": "420",
    "da": "45",
    "de": "43 49",
    "es": "34 51 52 53 54 56 57 58 502 503 504 505 506 507 591 593 595 598",
    "fi": "358",
    "fr": "33 225 221",
    "hi": "91",
    "it": "39",
    "ja": "81",
    "ko": "82",
    "nl": "31",
    "no": "47",
    "pl": "48",
    "pt": "55 244 258 351",
    "ru": "7",
    "sv": "46",
    "tr": "90",
    "zh": "86 852 853 886",
}
_LANGUAGE_OF: Final = {code: name for name, codes in _SPOKEN.items() for code in codes.split()}
_COUNTRY_DIGITS_MAX: Final = 3

_NOISE: Final = re.compile(r"[\s().\-/]")


def e164(written: str) -> str | None:
    """
    The number with its plus; None for one that is hidden, national or no number.

    Trunks send `+4930...`, `004930...` or `4930...`; a national form (`030...`) names no country.
    """
    plain = _NOISE.sub("", written)
    if plain.startswith("00"):
        plain = f"+{plain[2:]}"
    elif plain[:1].isdigit():
        plain = f"+{plain}"
    return plain if re.fullmatch(NUMBER_PATTERN, plain, re.ASCII) else None


def language_of(number: str | None) -> str:
    """The language in which a stranger is spoken to; no country code begins with another."""
    digits = number[1:] if number else ""
    codes = (digits[:length] for length in range(_COUNTRY_DIGITS_MAX, 0, -1))
    return next((_LANGUAGE_OF[code] for code in codes if code in _LANGUAGE_OF), DEFAULT_LANGUAGE)
