"""
Credit lots: every credit that reaches a balance is a lot, and every decrease burns lots.

The order is fixed: soonest-expiring first, then free, promotional, subscription, purchased, then
the oldest. A claw-back takes from the lots of its payment first. Holds lie on the lots that would
be burnt first. All of it is SQL under the lock of the account (migrations 0017 to 0021;
docs/lots.md).
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from billing.money import MicroCredits
from billing.store import lots as store
from billing.store.lots import Lot
from shared.db import Tx
from shared.errors import Invalid

LISTED_MAX: Final = 100  # a page shows no more; the rest is still in the balance


async def open_lots_of(tx: Tx, user_id: UUID) -> list[Lot]:
    """What the balance is made of, in the order in which it will be burnt; at most `LISTED_MAX`."""
    return await store.open_lots_of(tx, user_id, limit=LISTED_MAX)


async def roll_over(
    tx: Tx, *, user_id: UUID, key: str, amount_max: int, expires_at: datetime
) -> MicroCredits:
    """
    At a renewal: keep up to `amount_max` micro-credits of subscription lots that would end earlier
    until `expires_at`. Returns what was kept now.

    Once per `key` (the invoice of the new period): asked again, it keeps no more than `amount_max`
    in all. Call it before the new period's credit is posted, and while the old lots still live: a
    grant should end some days after its period, or a late renewal finds nothing to keep.
    """
    if amount_max < 0 or not key:
        raise Invalid("A rollover has a key and keeps 0 or more")
    kept = await store.roll_over(tx, user_id, key=key, amount_max=amount_max, expires_at=expires_at)
    return MicroCredits(kept)
