"""SQL of credit lots: what a balance is made of, and when it ends."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from shared.db import Tx

OPEN_LOTS = """
select id, kind, amount, remaining, expires_at, origin, created_at
from credit_lots where user_id = $1 and is_open order by expires_at, priority, id limit $2
"""

ROLL_OVER = "select lots_roll_over_v1($1, $2, $3, $4)"

SWEEP = "select lots, accounts, last_at, last_id from lots_sweep_v1($1, $2, $3)"


@dataclass(frozen=True, slots=True)
class Lot:
    """
    A part of a balance. `amount` reached the balance once, `remaining` is left, in micro-credits.

    `kind` is free, promotional, subscription or purchased; `origin` the payment it came from.
    """

    id: int
    kind: str
    amount: int
    remaining: int
    expires_at: datetime | None
    origin: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """
    A step of the walk over all lots that are due: how many there were, how many accounts lost
    something, and where it ended; None where there was nothing.
    """

    lots: int
    accounts: int
    last_at: datetime | None
    last_id: int | None


async def open_lots_of(tx: Tx, owner: UUID, *, limit: int) -> list[Lot]:
    """In the order in which they are burnt."""
    return [Lot(**row) for row in await tx.fetch(OPEN_LOTS, owner, limit)]


async def roll_over(tx: Tx, owner: UUID, *, key: str, amount_max: int, expires_at: datetime) -> int:
    kept: int = await tx.fetchval(ROLL_OVER, owner, key, amount_max, expires_at)
    return kept


async def sweep(tx: Tx, *, lots_max: int, after: Page | None) -> Page:
    """The page after another; None: the first."""
    at = after.last_at if after else datetime.min.replace(tzinfo=UTC)
    row = await tx.fetchrow(SWEEP, lots_max, at, after.last_id if after else 0)
    assert row is not None, "the function always answers"
    return Page(**row)
