"""The words of the reception in the 20 languages of calls, by family."""

from agent.phone.texts.eastern import EASTERN
from agent.phone.texts.northern import NORTHERN
from agent.phone.texts.romance import ROMANCE
from agent.phone.texts.slavic import SLAVIC
from agent.phone.words import Words
from shared.languages import of_language

WORDS = {**NORTHERN, **ROMANCE, **SLAVIC, **EASTERN}


def words_for(language: str) -> Words:
    """English stands in for a language without words."""
    return of_language(WORDS, language)
