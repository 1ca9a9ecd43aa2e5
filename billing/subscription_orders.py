"""
Subscribing: the wish is written down, then Stripe's page is opened for it.

The order's id is the idempotency key at Stripe. After a crash in between, or in another tab, the
same wish finds the same order and opens the same page, which can be paid once. An order that nobody
paid costs nothing and is left as it is.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from billing import plans
from billing.store import accounts
from billing.store import subscription_orders as store
from billing.store.plans import Plan
from billing.store.subscription_orders import SubscriptionOrder
from billing.stripe_objects import CheckoutWish, Till
from shared.db import Pool, Tx, transaction
from shared.errors import Conflict, NotFound
from shared.ids import new_uuid

SAME_PAGE_S: Final = 3_600.0  # of 24 h that Stripe keeps it open: what is shown must not be stale


class PlanNotFound(NotFound):
    """There is no such plan"""

    code = "plan_not_found"


class AlreadySubscribed(Conflict):
    """There is a subscription already; it can be changed in the customer portal"""

    code = "already_subscribed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnPages:
    """Where Stripe sends people afterwards."""

    success_url: str
    cancel_url: str


async def order(pool: Pool, *, user_id: UUID, plan_id: str, request_key: str) -> SubscriptionOrder:
    """
    The order of this wish; the same for the same `request_key`, and for the same plan within
    `SAME_PAGE_S`. Raises PlanNotFound and AlreadySubscribed.
    """
    async with transaction(pool) as tx:
        await accounts.lock_balance(tx, user_id)  # two tabs make one order
        known = await store.find(tx, owner=user_id, request_key=request_key)
        if known:
            return known
        plan = await _sold(tx, plan_id)
        if await store.is_subscribed(tx, user_id):
            raise AlreadySubscribed
        assert plan.stripe_price is not None, "it is sold"
        same = await store.find_open(
            tx, owner=user_id, stripe_price=plan.stripe_price, younger_than_s=SAME_PAGE_S
        )
        return same or await store.insert(
            tx,
            order_id=new_uuid(),
            owner=user_id,
            request_key=request_key,
            plan_id=plan.id,
            stripe_price=plan.stripe_price,
            coupon=None if await store.ever_subscribed(tx, user_id) else plan.first_month_coupon,
        )


async def page_of(
    pool: Pool,
    till: Till,
    wanted: SubscriptionOrder,
    *,
    user_id: UUID,
    customer: str,
    pages: ReturnPages,
) -> str | None:
    """The address of Stripe's page for this order. Raises what the till raises."""
    if wanted.checkout_id:
        return wanted.checkout_url
    wish = CheckoutWish(
        mode="subscription",
        customer=customer,
        client_reference_id=str(user_id),
        line_items=[{"price": wanted.stripe_price, "quantity": 1}],
        metadata={"order_id": str(wanted.id), "user_id": str(user_id), "plan": wanted.plan_id},
        success_url=pages.success_url,
        cancel_url=pages.cancel_url,
        coupon=wanted.coupon,
    )
    checkout = await till.open_checkout(wish, key=f"subscription:{wanted.id}")
    async with transaction(pool) as tx:
        await store.opened(tx, wanted.id, checkout_id=checkout.id, url=checkout.url)
    return checkout.url


async def _sold(tx: Tx, plan_id: str) -> Plan:
    for plan in await plans.sold(tx):
        if plan.id == plan_id:
            return plan
    raise PlanNotFound
