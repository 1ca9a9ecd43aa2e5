"""SQL of top-ups: what somebody wants to pay, before and after Stripe knows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx

INSERT = """
insert into topups(id, user_id, kind, package_id, promotion_id, amount, currency, credits,
  save_card, due_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp() + make_interval(secs => $10))
on conflict do nothing returning id
"""

OF_OWNER = """
select id, user_id, kind, package_id, amount, currency, credits, save_card, state, checkout_id,
  payment_intent, failure, attempts, created_at
from topups where id = $2 and user_id = $1
"""

# For what comes from Stripe, which knows no sessions: the row says whose it is. Locked before
# anything of its payment is, by whoever writes: top-up, payment, credits, automatic rule.
BY_ID = """
select id, user_id, kind, package_id, amount, currency, credits, save_card, state, checkout_id,
  payment_intent, failure, attempts, created_at
from topups where id = $1 for update
"""

BY_CHECKOUT = """
select id, user_id, kind, package_id, amount, currency, credits, save_card, state, checkout_id,
  payment_intent, failure, attempts, created_at
from topups where checkout_id = $1 for update
"""

BY_INTENT = """
select id, user_id, kind, package_id, amount, currency, credits, save_card, state, checkout_id,
  payment_intent, failure, attempts, created_at
from topups where payment_intent = $1 for update
"""

OPENED = """
update topups set checkout_id = coalesce($2, checkout_id),
  payment_intent = coalesce($3, payment_intent),
  state = case when state in ('intended', 'unknown') then 'open' else state end,
  updated_at = clock_timestamp()
where id = $1
"""

TAKE_BACK = "delete from topups where id = $1 and state = 'intended'"

# A payment that was made is the last word of it, unless it fails after all.
MOVE = """
update topups set state = $2, failure = $3, updated_at = clock_timestamp()
where id = $1 and state <> $2 and (state <> 'paid' or $4)
"""


@dataclass(frozen=True, slots=True)
class Topup:
    """`amount` in the currency's smallest unit, `credits` in micro-credits."""

    id: UUID
    user_id: UUID
    kind: str
    package_id: str | None
    amount: int
    currency: str
    credits: int
    save_card: bool
    state: str
    checkout_id: str | None
    payment_intent: str | None
    failure: str | None
    attempts: int
    created_at: datetime


async def insert(
    tx: Tx,
    *,
    topup_id: UUID,
    user_id: UUID,
    kind: str,
    package_id: str | None,
    promotion_id: int | None,
    amount: int,
    currency: str,
    credits_: int,
    save_card: bool,
    due_in_s: float,
) -> bool:
    """False when it is there, or when an automatic one of the account is under way."""
    made = await tx.fetchval(
        INSERT,
        topup_id,
        user_id,
        kind,
        package_id,
        promotion_id,
        amount,
        currency,
        credits_,
        save_card,
        due_in_s,
    )
    return made is not None


async def take_back(tx: Tx, topup_id: UUID) -> None:
    """In the transaction that inserted it: nobody has seen it."""
    await tx.execute(TAKE_BACK, topup_id)


async def of_owner(tx: Tx, *, owner: UUID, topup_id: UUID) -> Topup | None:
    row = await tx.fetchrow(OF_OWNER, owner, topup_id)
    return Topup(**row) if row else None


async def by_id(tx: Tx, topup_id: UUID) -> Topup | None:
    row = await tx.fetchrow(BY_ID, topup_id)
    return Topup(**row) if row else None


async def by_checkout(tx: Tx, checkout_id: str) -> Topup | None:
    row = await tx.fetchrow(BY_CHECKOUT, checkout_id)
    return Topup(**row) if row else None


async def by_intent(tx: Tx, payment_intent: str) -> Topup | None:
    row = await tx.fetchrow(BY_INTENT, payment_intent)
    return Topup(**row) if row else None


async def opened(
    tx: Tx, topup_id: UUID, *, checkout_id: str | None = None, payment_intent: str | None = None
) -> None:
    """Stripe knows it, under these names."""
    await tx.execute(OPENED, topup_id, checkout_id, payment_intent)


async def move(
    tx: Tx, topup_id: UUID, *, state: str, failure: str | None = None, even_paid: bool = False
) -> bool:
    """False when it is in this state already, or was paid."""
    done: str = await tx.execute(MOVE, topup_id, state, failure, even_paid)
    return done == "UPDATE 1"
