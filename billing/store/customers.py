"""SQL of who somebody is at Stripe."""

from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx

INTEND = """
with intent as (
  insert into stripe_customers(user_id) values ($1) on conflict (user_id) do nothing)
select p.id as user_id, p.email, p.frozen_at is not null as is_frozen, c.customer
from profiles p left join stripe_customers c on c.user_id = p.id where p.id = $1
"""

RECORD = """
update stripe_customers set customer = $2 where user_id = $1 and customer is null
"""

CUSTOMER = "select customer from stripe_customers where user_id = $1"

OWNER = "select user_id from stripe_customers where customer = $1"


@dataclass(frozen=True, slots=True)
class Buyer:
    user_id: UUID
    email: str | None
    is_frozen: bool
    customer: str | None


async def intend(tx: Tx, user_id: UUID) -> Buyer | None:
    """Who is to become a customer, or is one. None for an unknown account."""
    row = await tx.fetchrow(INTEND, user_id)
    return Buyer(**row) if row else None


async def record(tx: Tx, user_id: UUID, customer: str) -> None:
    await tx.execute(RECORD, user_id, customer)


async def customer_of(tx: Tx, user_id: UUID) -> str | None:
    customer: str | None = await tx.fetchval(CUSTOMER, user_id)
    return customer


async def owner_of(tx: Tx, customer: str) -> UUID | None:
    """Whose account a customer of Stripe's is; for what comes from Stripe."""
    owner: UUID | None = await tx.fetchval(OWNER, customer)
    return owner
