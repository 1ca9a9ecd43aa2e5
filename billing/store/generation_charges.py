"""SQL of generation charges: the charging functions of one-shot work."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from shared.db import Tx

RESERVE = """
select outcome, needed, available, (charge).id, (charge).user_id, (charge).state, (charge).product,
  (charge).model, (charge).plan, (charge).channel, (charge).unit, (charge).rate_card_version,
  (charge).price_microcredits, (charge).per_units, (charge).minimum_microcredits, (charge).hold,
  (charge).quantity, (charge).cost, (charge).created_at, (charge).expires_at, (charge).ended_at,
  (charge).end_reason
from charge_reserve_v2($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""

SETTLE = """
select outcome, (charge).id, (charge).user_id, (charge).state, (charge).product,
  (charge).model, (charge).plan, (charge).channel, (charge).unit, (charge).rate_card_version,
  (charge).price_microcredits, (charge).per_units, (charge).minimum_microcredits, (charge).hold,
  (charge).quantity, (charge).cost, (charge).created_at, (charge).expires_at, (charge).ended_at,
  (charge).end_reason
from charge_settle_v2($1, $2, $3)
"""

RELEASE = """
select outcome, (charge).id, (charge).user_id, (charge).state, (charge).product,
  (charge).model, (charge).plan, (charge).channel, (charge).unit, (charge).rate_card_version,
  (charge).price_microcredits, (charge).per_units, (charge).minimum_microcredits, (charge).hold,
  (charge).quantity, (charge).cost, (charge).created_at, (charge).expires_at, (charge).ended_at,
  (charge).end_reason
from charge_release_v1($1, $2)
"""

EXPIRE = """
select id, user_id, state, product, model, plan, channel, unit, rate_card_version,
  price_microcredits, per_units, minimum_microcredits, hold, quantity, cost, created_at, expires_at,
  ended_at, end_reason
from charge_expire_v1($1)
"""

FIND = """
select id, user_id, state, product, model, plan, channel, unit, rate_card_version,
  price_microcredits, per_units, minimum_microcredits, hold, quantity, cost, created_at, expires_at,
  ended_at, end_reason
from generation_charges where id = $1
"""


@dataclass(frozen=True, slots=True)
class Charge:
    """
    One piece of paid work. `hold` and `cost` are micro-credits, `quantity` counts what was
    delivered in `unit`s.

    `state` is reserved, settled or released; the price is the one that counted when it began.
    """

    id: UUID
    user_id: UUID
    state: str
    product: str
    model: str
    plan: str
    channel: str
    unit: str
    rate_card_version: int
    price_microcredits: int
    per_units: int
    minimum_microcredits: int
    hold: int
    quantity: int | None
    cost: int
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    end_reason: str | None


@dataclass(frozen=True, slots=True)
class Reserved:
    """`needed` and `available` are micro-credits; `charge` is None when none was found or made."""

    outcome: str
    needed: int
    available: int
    charge: Charge | None


@dataclass(frozen=True, slots=True)
class Ended:
    outcome: str
    charge: Charge


async def reserve(
    tx: Tx,
    *,
    charge_id: UUID,
    user_id: UUID,
    idempotency_key: str,
    request_sha256: bytes,
    product: str,
    model: str,
    channel: str,
    quantity: int,
    ttl_s: int,
) -> Reserved:
    row = await tx.fetchrow(
        RESERVE,
        charge_id,
        user_id,
        idempotency_key,
        request_sha256,
        product,
        model,
        channel,
        quantity,
        ttl_s,
    )
    assert row is not None, "the function always answers"
    values = dict(row)
    outcome = values.pop("outcome")
    needed, available = values.pop("needed"), values.pop("available")
    charge = Charge(**values) if values["id"] else None
    return Reserved(outcome, needed, available, charge)


async def settle(tx: Tx, *, charge_id: UUID, quantity: int, model: str | None) -> Ended | None:
    """None when there is no such charge."""
    return _ended(await tx.fetchrow(SETTLE, charge_id, quantity, model))


async def release(tx: Tx, *, charge_id: UUID, reason: str) -> Ended | None:
    """None when there is no such charge."""
    return _ended(await tx.fetchrow(RELEASE, charge_id, reason))


async def expire(tx: Tx, *, limit: int) -> list[Charge]:
    """What was released now."""
    return [Charge(**row) for row in await tx.fetch(EXPIRE, limit)]


async def find(tx: Tx, charge_id: UUID) -> Charge | None:
    row = await tx.fetchrow(FIND, charge_id)
    return Charge(**row) if row else None


def _ended(row: asyncpg.Record | None) -> Ended | None:
    if row is None:
        return None
    values = dict(row)
    return Ended(values.pop("outcome"), Charge(**values))
