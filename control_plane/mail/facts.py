"""
What a letter may say of a notice: sums in the reader's spelling, and nothing else. Whatever else
stands in a payload never reaches a template.
"""

from collections.abc import Mapping
from typing import Final, TypeGuard

from billing.money import MICRO

# Currencies without a smaller unit, and with thousandths, as Stripe counts them.
_NO_DECIMALS: Final = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split()
)
_THREE_DECIMALS: Final = frozenset("bhd jod kwd omr tnd".split())
_COMMA: Final = frozenset("de es fr pl pt".split())
_GROUPS: Final = {"en": ",", "de": ".", "es": ".", "fr": "\u202f", "pl": "\u00a0", "pt": "\u00a0"}
_CURRENCY_CHARS: Final = 3

# Without these the sentence makes no sense.
NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "receipt": ("money",),
    "low_balance": ("available", "threshold"),
    "payment_failed": (),
    "dispute": ("money",),
}


class BadNotice(Exception):
    """A notice of an unknown kind, or one that lacks what its letter says."""


def facts_of(kind: str, payload: Mapping[str, object], language: str) -> dict[str, str | bool]:
    """
    What the template of `kind` may use; a fact that is not known is "".

    Read from the payload: amount, currency, credits, available, threshold, failure.
    Raises BadNotice.
    """
    if kind not in NEEDED:
        raise BadNotice("unknown kind")
    facts: dict[str, str | bool] = {
        "money": _sum(payload.get("amount"), payload.get("currency"), language),
        "credits": _credits(payload.get("credits"), language),
        "available": _credits(payload.get("available"), language),
        "threshold": _credits(payload.get("threshold"), language),
        "must_confirm": payload.get("failure") == "authentication_required",
    }
    if not all(facts[name] for name in NEEDED[kind]):
        raise BadNotice("a sum is missing")
    return facts


def _sum(amount: object, currency: object, language: str) -> str:
    """Nothing for what is no sum."""
    if not _is_whole(amount) or not isinstance(currency, str):
        return ""
    if len(currency) != _CURRENCY_CHARS or not (currency.isascii() and currency.isalpha()):
        return ""
    return money_text(amount, currency, language)


def money_text(amount: int, currency: str, language: str = "en") -> str:
    """`1,234.50 USD` of 123450 (in the currency's smallest unit) and "usd"."""
    currency = currency.lower()
    decimals = 0 if currency in _NO_DECIMALS else 3 if currency in _THREE_DECIMALS else 2
    whole, rest = divmod(abs(amount), 10**decimals)
    text = _grouped(whole, language)
    if decimals:
        text += ("," if language in _COMMA else ".") + f"{rest:0{decimals}}"
    return f"{'-' if amount < 0 else ''}{text}\u00a0{currency.upper()}"


def _credits(amount: object, language: str) -> str:
    """Whole credits of micro-credits, rounded down."""
    return _grouped(amount // MICRO, language) if _is_whole(amount) else ""


def _grouped(number: int, language: str) -> str:
    return f"{number:,}".replace(",", _GROUPS[language])


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
