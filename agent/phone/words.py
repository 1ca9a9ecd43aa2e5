"""The sentences of the service on the telephone before a call; their texts are in `texts/`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """
    Of one language. In braces: price (credits a minute), site, minutes, key, name.

    No form of any word may depend on a number: "1 min." and "15 min." are the same sentence.
    """

    pin: str
    code: str
    unknown: str
    wrong: str
    verified: str
    locked: str
    silent: str
    menu: str
    choice: str  # one character of a list
    language: str  # said in its own language, by whoever lists languages
    more: str
    back: str
    connecting: str
    operator_away: str
    price: str  # said when the choice made the call dearer or cheaper
    no_credit: str
    free_used: str
    busy: str
    frozen: str
    no_capacity: str
    not_allowed: str
    trouble: str
