"""
Money is integer micro-credits. One credit is a million of them; no float and no numeric enters.

Credits as shown to people (`to_credits`) exist at the edge only and never come back in.
"""

from decimal import Decimal
from typing import NewType

MicroCredits = NewType("MicroCredits", int)

MICRO = 1_000_000


def from_credits(whole: int) -> MicroCredits:
    """Whole credits as micro-credits."""
    return MicroCredits(whole * MICRO)


def ceil_div(amount: int, divisor: int) -> int:
    """Integer division, rounded up. `divisor` must be positive."""
    return -(-amount // divisor)


def floor_div(amount: int, divisor: int) -> int:
    """Integer division, rounded down. `divisor` must be positive."""
    return amount // divisor


def to_credits(amount: int) -> int | float:
    """Credits for a JSON answer: an integer when whole, else six exact decimals."""
    whole, rest = divmod(amount, MICRO)
    return whole if rest == 0 else float(Decimal(amount) / MICRO)
