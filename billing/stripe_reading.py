"""
From Stripe's objects (API version 2026-10-28) to ours. Pure; unknown fields are not looked at.

Since 2025 an invoice no longer names its subscription, payments and prices at its top: they are
under `parent`, `payments` and each line's `pricing`.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from billing.stripe_objects import (
    Charge,
    Checkout,
    Invoice,
    InvoiceLine,
    PaymentIntent,
    StripeEvent,
    Subscription,
)

CHANGES = {  # objects that only tell of a change to another, which they name by this field
    "refund": "charge",
    "dispute": "charge",
    "radar.early_fraud_warning": "charge",
    "invoice_payment": "invoice",
}
# Disputes in these states hold no money of ours: an inquiry ("warning") takes none before it
# becomes a dispute, and a won one gave it back
TOOK_NOTHING = frozenset(
    {"won", "warning_needs_response", "warning_under_review", "warning_closed", "prevented"}
)


def read_checkout(it: Any) -> Checkout:
    return Checkout(
        id=it.id,
        url=it.url,
        status=it.status or "open",
        payment_status=it.payment_status,
        payment_intent=_id(it.payment_intent),
        subscription=_id(it.subscription),
        customer=_id(it.customer),
        client_reference_id=it.client_reference_id,
        metadata=_metadata(it.metadata),
    )


def read_payment_intent(it: Any) -> PaymentIntent:
    return PaymentIntent(
        id=it.id,
        status=it.status,
        amount=it.amount,
        currency=it.currency,
        customer=_id(it.customer),
        latest_charge=_id(it.latest_charge),
        metadata=_metadata(it.metadata),
    )


def read_charge(it: Any, *, disputes: Iterable[Any], invoice: str | None) -> Charge:
    """`disputes` are all of this charge; a decided one gives its amount back or keeps it."""
    known = list(disputes)
    return Charge(
        id=it.id,
        payment_intent=_id(it.payment_intent),
        invoice=invoice,
        customer=_id(it.customer),
        amount=it.amount,
        currency=it.currency,
        paid=it.paid,
        captured=it.captured,
        refunded=it.amount_refunded,
        disputed=sum(dispute.amount for dispute in known if dispute.status not in TOOK_NOTHING),
        dispute_status=known[0].status if known else None,
        created_at=_time(it.created),
        metadata=_metadata(it.metadata),
        receipt_url=it.receipt_url,
    )


def read_invoice(it: Any, *, charges: Iterable[str], lines: Iterable[Any]) -> Invoice:
    return Invoice(
        id=it.id,
        customer=_id(it.customer),
        subscription=_subscription_of(it.parent),
        billing_reason=it.billing_reason or "manual",
        status=it.status or "draft",
        currency=it.currency,
        subtotal=it.subtotal,
        total=it.total,
        amount_paid=it.amount_paid,
        charges=tuple(charges),
        lines=tuple(_line(line) for line in lines),
        created_at=_time(it.created),
        number=it.number,
        hosted_url=it.hosted_invoice_url,
        pdf_url=it.invoice_pdf,
    )


def read_subscription(it: Any) -> Subscription:
    """
    The periods are of its one item; we sell no subscriptions of several.

    The customer portal ends a subscription by `cancel_at` alone.
    """
    item = next(iter(it["items"].data), None)
    return Subscription(
        id=it.id,
        customer=_id(it.customer) or "",
        status=it.status,
        price=item.price.id if item else None,
        period_start=_time(item.current_period_start) if item else None,
        period_end=_time(item.current_period_end) if item else None,
        cancel_at_period_end=it.cancel_at_period_end or it.cancel_at is not None,
        metadata=_metadata(it.metadata),
    )


def read_event(it: Any) -> StripeEvent:
    object_type, object_id = _subject_of(it.data.object)
    return StripeEvent(
        id=it.id,
        kind=it.type,
        created_at=_time(it.created),
        object_type=object_type,
        object_id=object_id,
    )


def _subject_of(it: Any) -> tuple[str, str]:
    """Whose state changed: a refund and a dispute change their charge."""
    kind = _field(it, "object") or ""
    owner = CHANGES.get(kind)
    named = _id(_field(it, owner)) if owner else None
    if owner and named:
        return owner, named
    return kind, _field(it, "id") or ""


def _line(it: Any) -> InvoiceLine:
    details = _field(it.pricing, "price_details") if it.pricing else None
    return InvoiceLine(
        id=it.id,
        price=_id(details.price) if details else None,
        amount=it.amount,
        quantity=it.quantity or 1,
        is_proration=_is_proration(it.parent),
        period_start=_time(it.period.start),
        period_end=_time(it.period.end),
    )


def _is_proration(parent: Any) -> bool:
    if parent is None:
        return False
    of_item = _field(parent, "subscription_item_details") or _field(parent, "invoice_item_details")
    return bool(of_item and _field(of_item, "proration"))


def _subscription_of(parent: Any) -> str | None:
    details = _field(parent, "subscription_details") if parent else None
    return _id(_field(details, "subscription")) if details else None


def _id(value: Any) -> str | None:
    """Of a reference that may have been expanded."""
    if value is None or isinstance(value, str):
        return value
    return str(value.id)


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _metadata(value: Any) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.to_dict().items()} if value else {}


def _field(it: Any, name: str) -> Any:
    """A field that Stripe leaves out where it has no meaning."""
    return getattr(it, name, None)
