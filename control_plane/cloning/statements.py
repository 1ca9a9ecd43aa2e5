"""
What people agree to, word by word, and what they are told. Pure.

A published statement is never edited: a new wording is a new version, and the record of a consent
names the version and its hash.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Whose(StrEnum):
    """Whose voice is to be cloned."""

    OWN = "own"
    OTHER = "other"


STATEMENT_VERSION: Final = 1

_STATEMENTS: Final[Mapping[tuple[Whose, int], str]] = MappingProxyType(
    {
        (Whose.OWN, 1): (
            "This is my own voice. I agree that this account may make a clone of it and generate "
            "speech that sounds like me. I can withdraw this at any time; the clone then stops "
            "working and the audio kept of it is deleted."
        ),
        (Whose.OTHER, 1): (
            "The person whose voice this is has agreed, in the statement recorded with this "
            "consent and by reading the phrase aloud, that this account may make a clone of it and "
            "generate speech that sounds like them. They can withdraw this at any time; the clone "
            "then stops working and the audio kept of it is deleted."
        ),
    }
)

# Shown on the page and answered by GET /api/consents. Whoever changes what is kept changes this.
RETENTION_TEXT: Final = (
    "What we keep: the recording that a voice is cloned from is private, is sent only to the "
    "provider that speaks with the clone, and is deleted {reference_days} days after it was "
    "uploaded, or at once when the consent is withdrawn. Without it the cloned voice can speak "
    "nothing new until a recording is uploaded again. The recording of the phrase is checked and "
    "not kept: we keep its fingerprint, the words that were recognised, the address it was sent "
    "from and the times, as proof of the consent, also after it was withdrawn. Withdrawing also "
    "deletes all audio that was generated with the voice, except copies you have downloaded. "
    "We check that the phrase was read; we do not check by machine whose voice read it."
)


def statement_text(whose: Whose, version: int = STATEMENT_VERSION) -> str:
    return _STATEMENTS[whose, version]


def statement_sha256(whose: Whose, version: int = STATEMENT_VERSION) -> str:
    """Of the text in UTF-8, in hexadecimal digits."""
    return hashlib.sha256(statement_text(whose, version).encode()).hexdigest()


def retention_text(*, reference_days: int) -> str:
    """What is kept and for how long, as this installation is configured."""
    return RETENTION_TEXT.format(reference_days=reference_days)
