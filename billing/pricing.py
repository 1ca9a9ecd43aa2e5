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
