"""
Subscribing: the wish is written down, then Stripe's page is opened for it.

The order's id is the idempotency key at Stripe. After a crash in between, or in another tab, the
same wish finds the same order and opens the same page, which can be paid once. Another wish closes
the pages of the earlier ones first: of two plans in two tabs, one can be paid. An order that nobody
paid costs nothing and is left as it is.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from billing import plans, subscriptions
from billing.store import accounts
from billing.store import subscription_orders as store
from billing.store.plans import Plan
from billing.store.subscription_orders import SubscriptionOrder
from billing.stripe_objects import CheckoutWish, Till
from shared.db import Pool, Tx, transaction
from shared.errors import Conflict, Invalid, NotFound
from shared.ids import new_uuid

SAME_PAGE_S: Final = 3_600.0  # of 24 h that Stripe keeps it open: what is shown must not be stale
PAGE_OPEN_S: Final = 25 * 3_600.0  # a page that is older cannot be paid
OLDER_MAX: Final = 10  # each closes what is older, so there is one; what is beyond ages


class PlanNotFound(NotFound):
    """There is no such plan"""

    code = "plan_not_found"


class AlreadySubscribed(Conflict):
    """There is a subscription already; it can be changed in the customer portal"""

    code = "already_subscribed"


class PageClosed(Conflict):
    """Another payment page was opened after this one, please use that"""

    code = "page_closed"


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
    """
    The address of Stripe's page for this order; pages of earlier orders can be paid no more.

    Raises AlreadySubscribed, PageClosed, and what the till raises.
    """
    if wanted.is_closed:
        raise PageClosed
    async with transaction(pool) as tx:
        older = await store.older(
            tx, wanted.id, owner=user_id, younger_than_s=PAGE_OPEN_S, limit=OLDER_MAX
        )
    for other in older:
        try:
            page = await _opened(pool, till, other, user_id=user_id, customer=customer, pages=pages)
            is_paid = await _is_paid(till, page)
        except (Invalid, NotFound):  # what was wished for is not sold any more: it has no page
            is_paid = False
        if is_paid:
            await subscriptions.sync_customer(pool, till, customer)
            raise AlreadySubscribed
        async with transaction(pool) as tx:
            await store.closed(tx, other.id, owner=user_id)
    page = await _opened(pool, till, wanted, user_id=user_id, customer=customer, pages=pages)
    if page.is_closed:  # by a later order, meanwhile
        raise PageClosed
    return page.checkout_url


async def _opened(
    pool: Pool,
    till: Till,
    order_: SubscriptionOrder,
    *,
    user_id: UUID,
    customer: str,
    pages: ReturnPages,
) -> SubscriptionOrder:
    """The order with its page; asking Stripe again for one gives the same."""
    if order_.checkout_id:
        return order_
    wish = CheckoutWish(
        mode="subscription",
        customer=customer,
        client_reference_id=str(user_id),
        line_items=[{"price": order_.stripe_price, "quantity": 1}],
        metadata={"order_id": str(order_.id), "user_id": str(user_id), "plan": order_.plan_id},
        success_url=pages.success_url,
        cancel_url=pages.cancel_url,
        coupon=order_.coupon,
    )
    checkout = await till.open_checkout(wish, key=f"subscription:{order_.id}")
    async with transaction(pool) as tx:
        return await store.opened(
            tx, order_.id, owner=user_id, checkout_id=checkout.id, url=checkout.url
        )


async def _is_paid(till: Till, page: SubscriptionOrder) -> bool:
    """Close a page; True when it was paid before that."""
    assert page.checkout_id is not None, "opened before"
    try:
        await till.close_checkout(page.checkout_id, key=f"close:{page.id}")
    except Invalid:  # it is not open any more
        return (await till.checkout(page.checkout_id)).status == "complete"
    return False


async def _sold(tx: Tx, plan_id: str) -> Plan:
    for plan in await plans.sold(tx):
        if plan.id == plan_id:
            return plan
    raise PlanNotFound
