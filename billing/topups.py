"""
Buying credit: what is wanted is written down with its credits, then Stripe is asked, then paid.

Nothing is credited but by `sync_*`: they fetch what Stripe has now and post the difference, and are
called by webhooks, by the page the buyer returns to, and by the jobs, in any order, at any time.
"""

from typing import Final
from uuid import UUID

from billing import subscriptions
from billing.customers import customer_of
from billing.fresh_state import written_fresh
from billing.money import MICRO, floor_div
from billing.notices import notify
from billing.payments import sync_charge
from billing.quotes import Quote
from billing.store import auto_topups, subscription_orders
from billing.store import topups as store
from billing.store.topups import Topup
from billing.stripe_objects import Charge, Checkout, CheckoutWish, PaymentIntent, Till
from shared.db import Pool, Tx, transaction
from shared.errors import Conflict, NotFound
from shared.ids import uuid_or_none

CHECKOUT_DUE_S: Final = 24 * 3_600.0  # as long as a payment page of Stripe's is open
_GONE: Final = frozenset({"canceled", "requires_payment_method"})


class UnknownPayment(NotFound):
    """This payment is for nothing we know"""

    code = "unknown_payment"


class WrongCurrency(Conflict):
    """This was paid in another currency than it was sold in"""

    code = "wrong_currency"


async def open_checkout(
    pool: Pool,
    till: Till,
    *,
    topup_id: UUID,
    user_id: UUID,
    quote: Quote,
    return_url: str,
    save_card: bool,
) -> Checkout:
    """
    A payment page for a quote. The same `topup_id` again, after a crash too, is the same page.

    `return_url` is where /checkout/success and /checkout/cancel are. Raises TillAway and what
    `customer_of` raises.
    """
    async with transaction(pool) as tx:
        topup = await _intended(tx, topup_id, user_id, quote, save_card=save_card)
    customer = await customer_of(pool, till, user_id)
    wish = _wish(topup, customer=customer, return_url=return_url)
    opened = await till.open_checkout(wish, key=f"topup:{topup.id}")
    async with transaction(pool) as tx:
        await store.opened(
            tx, topup.id, checkout_id=opened.id, payment_intent=opened.payment_intent
        )
    return opened


async def sync_checkout(pool: Pool, till: Till, checkout_id: str) -> int:
    """Credit what was paid on a payment page; returns the micro-credits posted by this call."""
    checkout = await till.checkout(checkout_id)
    if checkout.subscription:
        if checkout.customer:
            await subscriptions.sync_customer(pool, till, checkout.customer)
        return 0
    async with transaction(pool) as tx:
        topup = await store.by_checkout(tx, checkout_id) or await _named(tx, checkout.metadata)
        if topup is None:
            if await subscription_orders.is_order(tx, checkout.metadata.get("order_id")):
                return 0  # a plan's page that nobody paid
            raise UnknownPayment
        await store.opened(
            tx, topup.id, checkout_id=checkout.id, payment_intent=checkout.payment_intent
        )
        if checkout.status == "expired":
            await store.move(tx, topup.id, state="expired")
    if checkout.payment_intent is None:
        return 0
    return await sync_payment_intent(pool, till, checkout.payment_intent)


async def sync_payment_intent(pool: Pool, till: Till, payment_intent_id: str) -> int:
    """Credit its charge, or write down how far it is; returns the micro-credits posted."""
    intent = await till.payment_intent(payment_intent_id)
    if intent.latest_charge:
        posted = await sync_charge_of(pool, till, intent.latest_charge)
    else:
        posted = 0
    async with transaction(pool) as tx:
        topup = await store.by_intent(tx, intent.id) or await _named(tx, intent.metadata)
        if topup:
            await store.opened(tx, topup.id, payment_intent=intent.id)
            await _follow(tx, topup, intent)
    return posted


async def sync_charge_of(pool: Pool, till: Till, charge_id: str) -> int:
    """
    Post what is missing of a charge, or of its invoice when it pays a subscription.

    Returns the micro-credits posted. Raises UnknownPayment, WrongCurrency, StateKeepsChanging and
    what asking Stripe raises.
    """

    async def write(tx: Tx, charge: Charge) -> int | str:
        return charge.invoice or await _sync(tx, charge)

    result = await written_fresh(pool, charge_id, fetch=lambda: till.charge(charge_id), write=write)
    if isinstance(result, str):
        await subscriptions.sync_invoice(pool, till, result)
        return 0
    return result


def credits_for(topup: Topup, charge: Charge) -> int:
    """Micro-credits for the whole charge: what was sold, or less where less was paid."""
    if charge.currency != topup.currency:
        raise WrongCurrency
    if charge.amount >= topup.amount:  # more: taxes on top
        return topup.credits
    return floor_div(topup.credits * charge.amount, topup.amount)


async def fail(tx: Tx, topup: Topup, code: str) -> None:
    """It was not paid; one that happened by itself is not tried again until the person acts."""
    if topup.kind == "auto":
        await store.by_id(tx, topup.id)  # locks in the order of everybody
        await auto_topups.lock_rule(tx, topup.user_id)
    if await store.move(tx, topup.id, state="failed", failure=code) and topup.kind == "auto":
        await auto_topups.needs_action(tx, topup.user_id, failure=code)
        await notify(
            tx,
            user_id=topup.user_id,
            kind="payment_failed",
            dedupe_key=str(topup.id),
            payload={"amount": topup.amount, "currency": topup.currency, "failure": code},
        )


async def _sync(tx: Tx, charge: Charge) -> int:
    topup = await _named(tx, charge.metadata)
    if topup is None and charge.payment_intent:
        topup = await store.by_intent(tx, charge.payment_intent)
    if topup is None:
        if not charge.paid:
            return 0  # a card that was declined on the page of a plan
        raise UnknownPayment
    posted = await sync_charge(
        tx,
        charge,
        user_id=topup.user_id,
        credits=credits_for(topup, charge),
        kind="topup",
        topup_id=topup.id,
    )
    if charge.paid:
        await store.opened(tx, topup.id, payment_intent=charge.payment_intent)
        is_news = await store.move(tx, topup.id, state="paid")
        if is_news and (topup.kind == "auto" or topup.save_card):  # there is a card that works
            await auto_topups.ready(tx, topup.user_id)
    elif topup.state == "paid":
        await store.move(tx, topup.id, state="failed", failure="payment_failed", even_paid=True)
    return posted


async def _follow(tx: Tx, topup: Topup, intent: PaymentIntent) -> None:
    """A page stays open after a declined card; an automatic payment is over then."""
    if intent.status == "processing":
        await store.move(tx, topup.id, state="processing")
    elif intent.status in _GONE and (topup.kind == "auto" or topup.state == "processing"):
        await fail(tx, topup, intent.status)


async def _intended(
    tx: Tx, topup_id: UUID, user_id: UUID, quote: Quote, *, save_card: bool
) -> Topup:
    await store.insert(
        tx,
        topup_id=topup_id,
        user_id=user_id,
        kind="checkout",
        package_id=quote.package_id,
        promotion_id=quote.promotion_id,
        amount=quote.amount,
        currency=quote.currency,
        credits_=quote.credits,
        save_card=save_card,
        due_in_s=CHECKOUT_DUE_S,
    )
    topup = await store.of_owner(tx, owner=user_id, topup_id=topup_id)
    if topup is None:
        raise NotFound("Account not found")
    return topup


async def _named(tx: Tx, metadata: object) -> Topup | None:
    """The top-up that was written on an object of Stripe's."""
    text = metadata.get("topup_id", "") if isinstance(metadata, dict) else ""
    topup_id = uuid_or_none(text)
    return await store.by_id(tx, topup_id) if topup_id else None


def _wish(topup: Topup, *, customer: str, return_url: str) -> CheckoutWish:
    """From the row alone, so that a second request is the same to the letter."""
    return CheckoutWish(
        mode="payment",
        customer=customer,
        client_reference_id=str(topup.user_id),
        line_items=[
            {
                "quantity": 1,
                "price_data": {
                    "currency": topup.currency,
                    "unit_amount": topup.amount,
                    "product_data": {"name": f"{topup.credits // MICRO:,} credits"},
                },
            }
        ],
        metadata={"topup_id": str(topup.id)},
        success_url=f"{return_url}/checkout/success?session_id={{CHECKOUT_SESSION_ID}}",
        cancel_url=f"{return_url}/checkout/cancel",
        save_card=topup.save_card,
    )
