"""
What people set for themselves: a spending cap a month, a notice at a low balance, a time zone.

The cap counts debits of calls and generations in the month they are written (at the end of the
work), by the calendar of the person. Open holds count as spent, so no month's debits exceed the
cap; lowering it does not take back what is held already. A running call ends at its cap as at the
end of its credit.
"""

from typing import Final
from uuid import UUID

import asyncpg

from billing.store import limits as store
from billing.store.limits import Limits
from shared.db import Tx
from shared.errors import Invalid, NotFound

TOLD_MAX: Final = 500  # accounts a round; running calls beyond them are told at their next debit
UNKNOWN_ZONE_SQLSTATE: Final = "22023"
ZONE_CHARS_MAX: Final = 64  # the longest IANA name has 32


async def limits_of(tx: Tx, user_id: UUID) -> Limits:
    """Raises NotFound for an unknown account."""
    found = await store.limits_of(tx, user_id)
    if found is None:
        raise NotFound("Account not found")
    return found


async def set_spending_cap(tx: Tx, *, user_id: UUID, cap: int | None) -> None:
    """Micro-credits a month, 0 for nothing at all, None for no cap. Raises Invalid."""
    if cap is not None and cap < 0:
        raise Invalid("A cap is 0 or more")
    await store.lock(tx, user_id)
    await store.set_cap(tx, user_id, cap)


async def set_low_balance_notice(tx: Tx, *, user_id: UUID, below: int | None) -> None:
    """Tell when less than `below` micro-credits are free; None: never. Raises Invalid."""
    if below is not None and below <= 0:
        raise Invalid("A low balance is more than 0")
    await store.lock(tx, user_id)
    await store.set_low_balance(tx, user_id, below)


async def set_time_zone(tx: Tx, *, user_id: UUID, name: str) -> None:
    """
    An IANA name such as Europe/Lisbon. Raises Invalid.

    The next daily credits come no sooner than 20 hours after the last.
    """
    if not 0 < len(name) <= ZONE_CHARS_MAX or not name.isprintable():
        raise Invalid("Unknown time zone")
    try:
        async with tx.transaction():  # the caller may go on after a refusal
            await store.set_time_zone(tx, user_id, name)
    except asyncpg.PostgresError as error:
        if error.sqlstate == UNKNOWN_ZONE_SQLSTATE:
            raise Invalid("Unknown time zone") from None
        raise


async def tell_low_balances(tx: Tx) -> int:
    """Notices for accounts whose running calls hold what is left; returns how many."""
    return await store.tell_low_balances(tx, accounts_max=TOLD_MAX)
