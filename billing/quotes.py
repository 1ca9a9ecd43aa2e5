"""What a payment buys: a package as it is offered now, or an amount of one's own choice."""

from dataclasses import dataclass

from billing.store import packages
from shared.db import Tx
from shared.errors import Invalid, NotFound


class PackageNotFound(NotFound):
    """Package not found"""

    code = "package_not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """`amount` in the currency's smallest unit, `credits` in micro-credits with any bonus."""

    name: str
    amount: int
    currency: str
    credits: int
    package_id: str | None = None
    promotion_id: int | None = None


async def quote_package(tx: Tx, package_id: str, *, currency: str) -> Quote:
    """At the price and with the promotion of this moment. Raises PackageNotFound."""
    for offer in await packages.offers(tx):
        if (offer.id, offer.currency) == (package_id, currency):
            return Quote(
                name=offer.name,
                amount=offer.amount,
                currency=offer.currency,
                credits=offer.granted,
                package_id=offer.id,
                promotion_id=offer.promotion_id,
            )
    raise PackageNotFound


async def quote_amount(tx: Tx, amount: int, *, currency: str) -> Quote:
    """Raises Invalid for an amount or a currency that is not sold."""
    for rate in await packages.rates(tx):
        if rate.currency == currency:
            if not rate.amount_min <= amount <= rate.amount_max:
                raise Invalid(
                    f"amount must be between {rate.amount_min} and {rate.amount_max}",
                    param="amount",
                )
            bought = amount * rate.credits_per_unit
            return Quote(name="Credits", amount=amount, currency=currency, credits=bought)
    raise Invalid("This currency is not offered", param="currency")
