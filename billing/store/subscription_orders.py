"""SQL of wishes to subscribe, each written down before Stripe is asked."""

from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx
from shared.ids import uuid_or_none

FIND = """
select id, plan_id, stripe_price, coupon, checkout_id, checkout_url, subscription_id,
  closed_at is not null as is_closed
from subscription_orders where user_id = $1 and request_key = $2
"""

# The page of an order that led to a subscription cannot be paid again.
FIND_OPEN = """
select id, plan_id, stripe_price, coupon, checkout_id, checkout_url, subscription_id,
  closed_at is not null as is_closed
from subscription_orders
where user_id = $1 and stripe_price = $2 and subscription_id is null
  and closed_at is null and created_at > clock_timestamp() - make_interval(secs => $3)
order by created_at desc limit 1
"""

INSERT = """
insert into subscription_orders(id, user_id, request_key, plan_id, stripe_price, coupon)
values ($1, $2, $3, $4, $5, $6)
returning id, plan_id, stripe_price, coupon, checkout_id, checkout_url, subscription_id,
  closed_at is not null as is_closed
"""

# The older ones alone: of two who look at once, one yields to the other.
FIND_OLDER = """
select o.id, o.plan_id, o.stripe_price, o.coupon, o.checkout_id, o.checkout_url, o.subscription_id,
  false as is_closed
from subscription_orders o join subscription_orders mine on mine.id = $2 and mine.user_id = $1
where o.user_id = $1 and o.id <> $2 and o.subscription_id is null and o.closed_at is null
  and o.created_at <= mine.created_at
  and o.created_at > clock_timestamp() - make_interval(secs => $3)
order by o.created_at desc limit $4
"""

CLOSED = """
update subscription_orders set closed_at = clock_timestamp()
where id = $2 and user_id = $1 and closed_at is null
"""

OPENED = """
update subscription_orders set checkout_id = $3, checkout_url = $4
where id = $2 and user_id = $1 and checkout_id is null
"""

OF_OWNER = """
select id, plan_id, stripe_price, coupon, checkout_id, checkout_url, subscription_id,
  closed_at is not null as is_closed
from subscription_orders where id = $2 and user_id = $1
"""

FULFILLED = """
update subscription_orders set subscription_id = $3
where id = $1 and user_id = $2 and subscription_id is null
"""

IS_ORDER = "select exists(select from subscription_orders where id = $1)"

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
    """
    `coupon` is of the first month. Without `checkout_id` Stripe may or may not know of it.
    `is_closed`: it gave way to a later one.
    """

    id: UUID
    plan_id: str
    stripe_price: str
    coupon: str | None
    checkout_id: str | None
    checkout_url: str | None
    subscription_id: str | None
    is_closed: bool


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


async def opened(
    tx: Tx, order_id: UUID, *, owner: UUID, checkout_id: str, url: str | None
) -> SubscriptionOrder:
    """The order as it is then: somebody else may have opened, or closed, the page before."""
    await tx.execute(OPENED, owner, order_id, checkout_id, url)
    row = await tx.fetchrow(OF_OWNER, owner, order_id)
    assert row is not None, "orders stay"
    return SubscriptionOrder(**row)


async def older(
    tx: Tx, order_id: UUID, *, owner: UUID, younger_than_s: float, limit: int
) -> list[SubscriptionOrder]:
    """Earlier orders of the owner whose pages may still be paid, the latest first."""
    rows = await tx.fetch(FIND_OLDER, owner, order_id, younger_than_s, limit)
    return [SubscriptionOrder(**row) for row in rows]


async def closed(tx: Tx, order_id: UUID, *, owner: UUID) -> None:
    """Its page can be paid no more."""
    await tx.execute(CLOSED, owner, order_id)


async def fulfilled(tx: Tx, order_id: UUID, *, owner: UUID, subscription_id: str) -> None:
    await tx.execute(FULFILLED, order_id, owner, subscription_id)


async def is_order(tx: Tx, order_id: str | None) -> bool:
    """Whether an object of Stripe's names an order of ours; whose, is not asked."""
    named = uuid_or_none(order_id)  # metadata can be edited at Stripe
    if named is None:
        return False
    found: bool = await tx.fetchval(IS_ORDER, named)
    return found


async def is_subscribed(tx: Tx, owner: UUID) -> bool:
    """Also where payments fail at the moment: that is cured in the portal."""
    found: bool = await tx.fetchval(IS_SUBSCRIBED, owner)
    return found


async def ever_subscribed(tx: Tx, owner: UUID) -> bool:
    found: bool = await tx.fetchval(EVER_SUBSCRIBED, owner)
    return found
