"""
The price book: which price counts now, what work would cost, how a new price list is published.

A rate card is numbered, complete and never changed. The newest card whose time has come is in
force, by the database's clock; what has started keeps the card it started with. Where several rates
fit, an exact model counts more than an exact plan, and a plan more than a channel.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from billing.money import MICRO, MicroCredits
from billing.price_words import estimate_in_words, measured_in, rate_name
from billing.pricing import call_cost, generation_cost
from billing.store import prices
from billing.store.prices import Card, Rate
from shared.db import Tx
from shared.errors import Invalid, Refused

ANY: Final = "*"
PRODUCTS: Final = ("call", "speech", "clone")
PLANS: Final = (ANY, "free", "paid")
CHANNELS: Final = (ANY, "web", "api", "phone")
PHONE_PREFIX: Final = r"phone:\+[1-9][0-9]{0,6}"  # telephones whose number begins so
UNITS: Final = ("minute", "character", "token", "second", "operation")

BOOK_LOCK_ID: Final = 7_310_004  # any constant; all publishers must agree on it
RATES_MAX: Final = 1_000  # of one card; more models than anybody sells
# A hundred times the first price of a minute. It catches a slipped key, and keeps the product of
# price and quantity within 64 bits.
PRICE_CREDITS_MAX: Final = 100_000
PER_UNITS_MAX: Final = 1_000_000  # providers quote per million tokens
QUANTITY_MAX: Final = 10_000_000  # units of one piece of work; a long book has 3 million letters
MODEL_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}"  # no spaces, no wildcards inside


class NotPriced(Invalid):
    """There is no price for this"""

    code = "not_priced"


class CardRefused(Refused):
    """The rate card was refused"""

    code = "rate_card_refused"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class PricedRate:
    """A rate and the version of the card it is from."""

    version: int
    rate: Rate


@dataclass(frozen=True, slots=True)
class Estimate:
    """What something would cost if it started now, and why, for people."""

    cost: MicroCredits
    version: int
    explanation: str


def plan_of(*, paid: bool) -> str:
    """The plan of an account: who has ever bought credit pays as `paid`."""
    return "paid" if paid else "free"


def cost_of(rate: Rate, quantity: int) -> MicroCredits:
    """Cost of `quantity` units; seconds where the rate is by the minute."""
    if rate.unit == "minute":
        return call_cost(rate.price_microcredits, quantity)
    return generation_cost(
        price_microcredits=rate.price_microcredits,
        per_units=rate.per_units,
        minimum_microcredits=rate.minimum_microcredits,
        quantity=quantity,
    )


async def rate_in_force(
    tx: Tx, *, product: str, model: str = ANY, plan: str = ANY, channel: str = ANY
) -> PricedRate:
    """The most specific rate of the card in force. Raises NotPriced."""
    found = await prices.rate_now(tx, product=product, model=model, plan=plan, channel=channel)
    if found is None:
        raise NotPriced
    return PricedRate(*found)


async def card_in_force(tx: Tx) -> tuple[Card, list[Rate]]:
    """The card that counts now, with all its rates."""
    card = await prices.card_in_force(tx)
    assert card is not None, "the migration publishes the first card"
    return card, await prices.rates_of(tx, card.version)


async def estimate(
    tx: Tx, *, product: str, model: str, plan: str, channel: str, unit: str, quantity: int
) -> Estimate:
    """
    What `quantity` of `unit` would cost now; calls are measured in seconds.

    Raises NotPriced, also when the price is by another unit: units are never converted.
    """
    priced = await rate_in_force(tx, product=product, model=model, plan=plan, channel=channel)
    expected = measured_in(priced.rate)
    if unit != expected:
        raise NotPriced(f"The price of this is by the {expected}; send {expected}s")
    cost = cost_of(priced.rate, quantity)
    return Estimate(cost, priced.version, estimate_in_words(priced.rate, quantity, cost))


async def publish(
    tx: Tx,
    rates: Sequence[Rate],
    *,
    effective_from: datetime | None,
    published_by: str,
    reason: str,
) -> Card:
    """
    Append a card that counts from `effective_from`, None for now.

    Raises CardRefused, with every problem in it. Others see the card when `tx` commits.
    """
    problems = problems_of(rates)
    if not published_by or not reason:
        problems.append("a price list names who publishes it and why")
    if effective_from is not None and effective_from.tzinfo is None:
        problems.append("the effective date needs an offset, such as Z or +01:00")
    if problems:
        raise CardRefused(problems)
    await prices.lock_book(tx, BOOK_LOCK_ID)
    card = await prices.insert_card(
        tx, effective_from=effective_from, published_by=published_by, reason=reason
    )
    if card is None:
        raise CardRefused(["the effective date is in the past"])
    await prices.insert_rates(tx, version=card.version, rates=rates)
    return card


def problems_of(rates: Sequence[Rate]) -> list[str]:
    """Why these rates cannot be a card, in words; empty when they can."""
    if len(rates) > RATES_MAX:
        return [f"more than {RATES_MAX:,} rates"]
    problems = [f"{rate_name(rate)}: {problem}" for rate in rates for problem in _faults(rate)]
    names = [rate_name(rate) for rate in rates]
    problems += [
        f"{name}: priced more than once"
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    everything = (ANY, ANY, ANY)
    if not any(r.product == "call" and (r.model, r.plan, r.channel) == everything for r in rates):
        # Calls start with any model, so a hole in the list would refuse them at the door.
        problems.append("call: needs a rate for every model, plan and channel ('*')")
    return problems


def _faults(rate: Rate) -> list[str]:
    limit = PRICE_CREDITS_MAX * MICRO
    checks = {
        f"product is none of {', '.join(PRODUCTS)}": rate.product in PRODUCTS,
        f"plan is none of {', '.join(PLANS)}": rate.plan in PLANS,
        f"channel is none of {', '.join(CHANNELS)}, phone:+49": rate.channel in CHANNELS
        or re.fullmatch(PHONE_PREFIX, rate.channel) is not None,
        f"unit is none of {', '.join(UNITS)}": rate.unit in UNITS,
        "model is '*' or a model's exact name": rate.model == ANY
        or re.fullmatch(MODEL_PATTERN, rate.model) is not None,
        "price must be more than zero": rate.price_microcredits > 0,
        f"price is beyond {PRICE_CREDITS_MAX:,} credits": rate.price_microcredits <= limit,
        f"per must be 1 to {PER_UNITS_MAX:,}": 1 <= rate.per_units <= PER_UNITS_MAX,
        f"minimum must be 0 to {PRICE_CREDITS_MAX:,} credits": (
            0 <= rate.minimum_microcredits <= limit
        ),
        "calls, and only calls, are priced by the minute": (
            (rate.product == "call") == (rate.unit == "minute")
        ),
        "a call has no minimum and no bundle": rate.product != "call"
        or (rate.per_units, rate.minimum_microcredits) == (1, 0),
    }
    return [problem for problem, fine in checks.items() if not fine]
