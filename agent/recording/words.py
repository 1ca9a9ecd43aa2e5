"""What a caller is asked and told about a recording, in the languages of calls."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.languages import of_language


@dataclass(frozen=True, slots=True)
class Words:
    """`by_page` and `by_phone` say how to answer the question; `stop` also deletes."""

    question: str
    by_page: str
    by_phone: str
    yes: str
    no: str
    stop: str
    on: str
    off: str


_BY_LANGUAGE: Final = {
    language: Words(**words)
    for language, words in json.loads(
        Path(__file__).with_name("words.json").read_text(encoding="utf-8")
    ).items()
}


def words_in(language: str) -> Words:
    """English stands in for a language without words of its own."""
    return of_language(_BY_LANGUAGE, language)
