"""
The sentence that tells a caller, before anything is paid, that this is an AI.

An operator may reword it (`python -m control_plane.characters publish disclosure ...`), but a
wording must still say it: it needs one of the language's words for it.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

from shared.errors import Invalid

NAME: Final = "disclosure"  # of the text; the variant is the language
CHARS_MIN: Final = 4  # the shortest way to say it, in Chinese
CHARS_MAX: Final = 300  # read out in 20 seconds
# Python calls these printable, and nobody sees them: fillers, joiners, variation selectors.
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)

# By language: the sentence as shipped, and words of which a new one must have one.
_SHIPPED: Final[dict[str, dict[str, Any]]] = json.loads(
    Path(__file__).with_suffix(".json").read_text(encoding="utf-8")
)

DISCLOSURES: Final = {language: str(of["sentence"]) for language, of in _SHIPPED.items()}


def check_disclosure(body: str, *, language: str) -> None:
    """Raises Invalid for a wording that does not say it, or that cannot be read out."""
    if language not in _SHIPPED:
        raise Invalid(f"The disclosure is needed in one of: {', '.join(sorted(_SHIPPED))}")
    if not CHARS_MIN <= len(body.strip()) <= CHARS_MAX or not is_one_line(body):
        raise Invalid(
            f"A disclosure has {CHARS_MIN} to {CHARS_MAX} visible characters, in one line, "
            "without quotes"
        )
    words: list[str] = _SHIPPED[language]["words"]
    if not any(_says(body, word) for word in words):
        raise Invalid(f"A disclosure must say that this is an AI, by one of: {', '.join(words)}")


def is_one_line(body: str) -> bool:
    """Whether it can be read out as it stands in an order to the model."""
    return body.isprintable() and '"' not in body and not _INVISIBLE.search(body)


def _says(body: str, word: str) -> bool:
    """Short words are whole words in capitals ("AI" is not in "said"); others may be inflected."""
    if word.isascii() and word.isupper():
        return re.search(rf"(?<![A-Za-z]){word}(?![A-Za-z])", body) is not None
    return word.lower() in body.lower()
