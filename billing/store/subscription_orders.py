"""SQL of wishes to subscribe, each written down before Stripe is asked."""

from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx

FIND = """
select id, plan_id, stripe_price, coupon, checkout_id, checkout_url, subscription_id
from subscription_orders where user_id = $1 and request_key = $2
"""

# The page of an order that led to a subscription cannot be paid again.
FIND_OPEN = """
select id, plan_id, stripe_price, coupon, checkout_id, checkout_url, subscription_id
from subscription_orders
where user_id = $1 and stripe_price = $2 and subscription_id is null
  and created_at > clock_timestamp() - make_interval(secs => $3)
order by created_at desc limit 1
"""

INSERT = """
insert into subscription_orders(id, user_id, request_key, plan_id, stripe_price, coupon)
values ($1, $2, $3, $4, $5, $6)
returning id, plan_id, stripe_price, coupon, checkout_id, checkout_url, subscription_id
"""

OPENED = """
update subscription_orders set checkout_id = $2, checkout_url = $3
where id = $1 and checkout_id is null
"""

FULFILLED = """
update subscription_orders set subscription_id = $3
where id = $1 and user_id = $2 and subscription_id is null
"""

# incomplete: its first payment failed, and it goes by itself within a day.
IS_SUBSCRIBED = """
select exists(select from subscriptions where user_id = $1
  and status in ('active', 'trialing', 'past_due', 'unpaid', 'paused'))
"""

EVER_SUBSCRIBED = """
select exists(select from subscriptions where user_id = $1
  and status not in ('incomplete', 'incomplete_expired'))
"""


@dataclass(frozen=True, slots=True)
class SubscriptionOrder:
    """`coupon` is of the first month. Without `checkout_id` Stripe may or may not know of it."""

    id: UUID
    plan_id: str
    stripe_price: str
    coupon: str | None
    checkout_id: str | None
    checkout_url: str | None
    subscription_id: str | None


async def find(tx: Tx, *, owner: UUID, request_key: str) -> SubscriptionOrder | None:
    row = await tx.fetchrow(FIND, owner, request_key)
    return SubscriptionOrder(**row) if row else None


async def find_open(
    tx: Tx, *, owner: UUID, stripe_price: str, younger_than_s: float
) -> SubscriptionOrder | None:
    """The latest order of this price that nothing has come of yet."""
    row = await tx.fetchrow(FIND_OPEN, owner, stripe_price, younger_than_s)
    return SubscriptionOrder(**row) if row else None


async def insert(
    tx: Tx,
    *,
    order_id: UUID,
    owner: UUID,
    request_key: str,
    plan_id: str,
    stripe_price: str,
    coupon: str | None,
) -> SubscriptionOrder:
    row = await tx.fetchrow(INSERT, order_id, owner, request_key, plan_id, stripe_price, coupon)
    assert row is not None, "inserted"
    return SubscriptionOrder(**row)


async def opened(tx: Tx, order_id: UUID, *, checkout_id: str, url: str | None) -> None:
    await tx.execute(OPENED, order_id, checkout_id, url)


async def fulfilled(tx: Tx, order_id: UUID, *, owner: UUID, subscription_id: str) -> None:
    await tx.execute(FULFILLED, order_id, owner, subscription_id)


async def is_subscribed(tx: Tx, owner: UUID) -> bool:
    """Also where payments fail at the moment: that is cured in the portal."""
    found: bool = await tx.fetchval(IS_SUBSCRIBED, owner)
    return found


async def ever_subscribed(tx: Tx, owner: UUID) -> bool:
    found: bool = await tx.fetchval(EVER_SUBSCRIBED, owner)
    return found
