"""
Where to find help in a crisis, in the caller's language and, when an operator says which, country.

An operator may reword it: text "referral", variant "de" for a language or "de-AT" for one country.
"""

import json
from pathlib import Path
from typing import Final

NAME: Final = "referral"
_HERE: Final = Path(__file__).parent

# By language: the sentence, and what stands for the number where no country is known.
_SHIPPED: Final[dict[str, dict[str, str]]] = json.loads(
    (_HERE / "referrals.json").read_text(encoding="utf-8")
)

# People who listen in a crisis, as they publish their numbers themselves, by country, with its name
# in its own languages. Check yours before you open.
_LISTENERS: Final[dict[str, dict[str, str]]] = json.loads(
    (_HERE / "lines.json").read_text(encoding="utf-8")
)
LINES: Final = {country: of["line"] for country, of in _LISTENERS.items()}
COUNTRY_NAMES: Final = {country: of["name"] for country, of in _LISTENERS.items()}


def emergency_in(language: str) -> str:
    """What stands for a number where no country is known, such as "the emergency number"."""
    return _SHIPPED[language]["emergency"]


def shipped_referral(language: str, country: str | None) -> str:
    """What is said and shown when nobody has reworded it. `language` is one of a call's."""
    line = LINES.get(country or "", emergency_in(language))
    return _SHIPPED[language]["sentence"].format(line=line)


REFERRALS: Final = {language: shipped_referral(language, None) for language in _SHIPPED}
