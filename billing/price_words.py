"""Prices in plain words, exact to the micro-credit. Pure."""

from billing.money import MICRO
from billing.store.prices import Rate


def credits_in_words(amount: int) -> str:
    """Micro-credits as "1 credit", "1,500 credits", "-0.24 credits"."""
    whole, rest = divmod(abs(amount), MICRO)
    digits = f"{whole:,}" + (f".{rest:06}".rstrip("0") if rest else "")
    sign = "-" if amount < 0 else ""
    return f"{sign}{digits} {'credit' if abs(amount) == MICRO else 'credits'}"


def price_in_words(rate: Rate) -> str:
    """As "4 credits a character" or "1.1 credits per 1,000 tokens, at least 5 credits"."""
    if rate.per_units == 1:
        article = "an" if rate.unit == "operation" else "a"
        words = f"{credits_in_words(rate.price_microcredits)} {article} {rate.unit}"
    else:
        words = f"{credits_in_words(rate.price_microcredits)} per {rate.per_units:,} {rate.unit}s"
    if rate.minimum_microcredits:
        words += f", at least {credits_in_words(rate.minimum_microcredits)}"
    return words


def measured_in(rate: Rate) -> str:
    """The unit that is counted: a price by the minute is billed by the second."""
    return "second" if rate.unit == "minute" else rate.unit


def estimate_in_words(rate: Rate, quantity: int, cost: int) -> str:
    """As "90 seconds at 1,000 credits a minute: 1,500 credits"."""
    unit = measured_in(rate) + ("" if quantity == 1 else "s")
    return f"{quantity:,} {unit} at {price_in_words(rate)}: {credits_in_words(cost)}"


def rate_name(rate: Rate) -> str:
    """What a rate is for: no two rates of a card have the same name."""
    return f"{rate.product} model={rate.model} plan={rate.plan} channel={rate.channel}"
