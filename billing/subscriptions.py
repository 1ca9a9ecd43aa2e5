"""
Invoices and subscriptions as Stripe has them now, and the credits that follow.

Nothing here trusts an event: each function fetches the object again and posts what is missing, so
it may run late, twice, out of order or long after the event was lost. Only a paid invoice grants;
that a subscription was created grants nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from billing import ledger, lots, payments
from billing.fresh_state import written_fresh
from billing.invoice_credits import Split, credits_of, granted_until, kept_at_renewal, split
from billing.money import MicroCredits
from billing.payments import ForeignPayment
from billing.store import customers, plans, subscription_orders
from billing.store import payments as payments_store
from billing.store import subscriptions as store
from billing.store.subscriptions import Posted
from billing.stripe_objects import Charge, Invoice, Subscription, Till
from shared.db import Pool, Tx
from shared.errors import NotFound
from shared.ids import uuid_or_none
from shared.log import get_logger

log = get_logger(__name__)

RETURN_INVOICES_MAX: Final = 3  # looked at when somebody comes back from Stripe's pages


class CustomerUnknown(NotFound):
    """This customer of Stripe's is not known here, or not yet"""

    code = "customer_unknown"


@dataclass(frozen=True, slots=True)
class Billed:
    """An invoice and the charges that paid it, all fetched now."""

    invoice: Invoice
    charges: Sequence[Charge]


async def sync_invoice(pool: Pool, till: Till, invoice_id: str) -> int:
    """
    Post what is missing of this invoice; returns the net of it in micro-credits.

    Raises CustomerUnknown and PriceUnknown, which time or the operator may cure, ForeignPayment,
    and what the till raises.
    """

    async def fetch() -> Billed:
        invoice = await till.invoice(invoice_id)
        return Billed(invoice, [await till.charge(charge) for charge in invoice.charges])

    return await written_fresh(pool, invoice_id, fetch=fetch, write=_write_invoice)


async def sync_subscription(pool: Pool, till: Till, subscription_id: str) -> None:
    """Write down what the subscription is now. Raises CustomerUnknown and what the till raises."""

    async def fetch() -> Subscription:
        return await till.subscription(subscription_id)

    await written_fresh(pool, subscription_id, fetch=fetch, write=_write_subscription)


async def sync_customer(pool: Pool, till: Till, customer: str) -> None:
    """
    What changed lately for this customer, without waiting for a webhook: the latest invoices and
    their subscriptions. For who comes back from Stripe's pages.
    """
    invoices = await till.invoices_of(customer, limit=RETURN_INVOICES_MAX)
    for subscription_id in sorted({it.subscription for it in invoices if it.subscription}):
        await sync_subscription(pool, till, subscription_id)
    for invoice in invoices:
        await sync_invoice(pool, till, invoice.id)


async def _write_subscription(tx: Tx, it: Subscription) -> None:
    owner = await _owner(tx, it.customer)
    if await store.put_subscription(tx, it, owner=owner) is None:
        log.error("subscription_without_plan", user_id=str(owner), status=it.status)
    await store.settle_returned(tx, it.id)
    # Metadata can be edited at Stripe.
    order_id = uuid_or_none(it.metadata.get("order_id"))
    if order_id:
        await subscription_orders.fulfilled(tx, order_id, owner=owner, subscription_id=it.id)


async def _write_invoice(tx: Tx, billed: Billed) -> int:
    invoice = billed.invoice
    if invoice.subscription is None:
        return 0  # written by an operator at Stripe, for something else
    owner = await _owner(tx, invoice.customer)
    posted = await store.lock_invoice(tx, invoice, owner=owner)
    if posted.user_id != owner:
        raise ForeignPayment
    prices = await plans.prices(tx, {line.price for line in invoice.lines if line.price})
    whole = credits_of(invoice, prices)
    wanted = split(whole, total=invoice.total, charges=billed.charges)
    until = granted_until(invoice, prices) if whole > 0 else None
    kept = kept_at_renewal(invoice, prices)
    if until and kept:  # before the new month's credit is there, which is no rest of an old one
        await lots.roll_over(tx, user_id=owner, key=invoice.id, amount_max=kept, expires_at=until)
    net = await _post_charges(tx, billed.charges, wanted, owner=owner, until=until)
    now = await _post_rest(tx, invoice, posted, wanted, until=until)
    await store.update_invoice(tx, invoice, now, returned=_has_returned(billed.charges))
    # The account before the subscription, as where something is posted: two invoices may be written
    # at once.
    await payments_store.settle_paid(tx, owner)
    await store.settle_returned(tx, invoice.subscription)
    return net + now.posted - posted.posted


async def _owner(tx: Tx, customer: str | None) -> UUID:
    owner = await customers.owner_of(tx, customer) if customer else None
    if owner is None:
        raise CustomerUnknown
    return owner


async def _post_charges(
    tx: Tx, charges: Sequence[Charge], wanted: Split, *, owner: UUID, until: datetime | None
) -> int:
    """Each charge gets its share, less what went back of it; returns the net in micro-credits."""
    net = 0
    for charge in charges:
        if charge.id in wanted.by_charge:
            net += await payments.sync_charge(
                tx,
                charge,
                user_id=owner,
                credits=wanted.by_charge[charge.id],
                kind="subscription_grant",
                expires_at=until,
            )
    return net


async def _post_rest(
    tx: Tx, invoice: Invoice, posted: Posted, wanted: Split, *, until: datetime | None
) -> Posted:
    """What no charge paid for, as one ledger row for each time that it changed."""
    missing = wanted.rest - posted.posted
    if missing:
        is_new = await ledger.post(
            tx,
            user_id=posted.user_id,
            amount=MicroCredits(missing),
            kind="subscription_grant" if missing > 0 else "refund",
            source="stripe",
            source_id=f"{invoice.id}:{posted.version + 1}",
            reason=invoice.billing_reason,
            expires_at=until if missing > 0 else None,
        )
        assert is_new, "its number was taken under the lock of the invoice"
    return Posted(posted.user_id, wanted.whole, wanted.rest, posted.version + (1 if missing else 0))


def _has_returned(charges: Sequence[Charge]) -> bool:
    """All that was charged was refunded or is disputed."""
    captured = sum(charge.amount for charge in charges if charge.paid)
    returned = sum(charge.refunded + charge.disputed for charge in charges if charge.paid)
    return 0 < captured <= returned
