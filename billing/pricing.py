"""Prices, pure. The same formulas as the SQL functions; a property test holds them together."""

from billing.money import MicroCredits, ceil_div, floor_div


def call_cost(price_microcredits_per_minute: int, seconds: int) -> MicroCredits:
    """
    Cost of the first `seconds` of a call: cumulative, rounded up once in total.

    A segment costs `call_cost(end) - call_cost(start)`, so segments always sum to the call.
    """
    return MicroCredits(ceil_div(seconds * price_microcredits_per_minute, 60))


def affordable_seconds(price_microcredits_per_minute: int, free_microcredits: int) -> int:
    """The longest call that `free_microcredits` pays for."""
    return max(0, floor_div(free_microcredits * 60, price_microcredits_per_minute))


def generation_cost(
    *, price_microcredits: int, per_units: int, minimum_microcredits: int, quantity: int
) -> MicroCredits:
    """Cost of `quantity` units of one-shot work: rounded up once, at least the minimum."""
    return MicroCredits(
        max(minimum_microcredits, ceil_div(quantity * price_microcredits, per_units))
    )


def characters_of(text: str) -> int:
    """
    What a text counts for: its code points, without white space around it.

    Never words: a text without spaces is not one word to those who speak it.
    """
    return len(text.strip())
