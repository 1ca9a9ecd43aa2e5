"""The words of the reception in the 20 languages of calls, by family."""

from agent.phone.texts.eastern import EASTERN
from agent.phone.texts.northern import NORTHERN
from agent.phone.texts.romance import ROMANCE
from agent.phone.texts.slavic import SLAVIC
from agent.phone.words import Words
from shared.languages import DEFAULT_LANGUAGE

WORDS = {**NORTHERN, **ROMANCE, **SLAVIC, **EASTERN}


def spoken_language(language: str) -> str:
    """The language in which `words_for` answers."""
    code = language.partition("-")[0].lower()
    return code if code in WORDS else DEFAULT_LANGUAGE


def words_for(language: str) -> Words:
    """English stands in for a language without words."""
    return WORDS[spoken_language(language)]
