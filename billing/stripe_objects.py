"""
What we read from Stripe, as Stripe's own words with our types, and the port it comes through.

Amounts are in the currency's smallest unit (cents; whole yen), as Stripe's are. Times are UTC. The
only implementation is `stripe_gateway.py`; everything else in billing knows these shapes alone.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.errors import Refused, Unavailable


class TillAway(Unavailable):
    """Payments are not available at the moment, please try again"""

    code = "payments_unavailable"


class CardRefused(Refused):
    """The card was declined"""

    code = "card_declined"

    def __init__(self, message: str | None = None, *, decline_code: str | None = None) -> None:
        super().__init__(message)
        self.decline_code = decline_code


class AuthenticationNeeded(CardRefused):
    """The bank asks the owner of the card to confirm this payment"""

    code = "authentication_required"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutWish:
    """
    A payment page to be opened. `line_items` and `metadata` go to Stripe as they are.

    mode "payment" or "subscription"; `metadata` is put on the payment or the subscription too.
    """

    mode: str
    customer: str
    client_reference_id: str
    line_items: Sequence[Mapping[str, object]]
    metadata: Mapping[str, str]
    success_url: str
    cancel_url: str
    coupon: str | None = None
    save_card: bool = False  # for payments without the customer later on


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    id: str
    url: str | None
    status: str  # open, complete, expired
    payment_status: str  # paid, unpaid, no_payment_required
    payment_intent: str | None
    subscription: str | None
    customer: str | None
    client_reference_id: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """
    One payment and what came back of it. `refunded` and `disputed` are cumulative amounts;
    `dispute_won` tells of a dispute that was decided for us, whose amount is ours again.
    """

    id: str
    payment_intent: str | None
    invoice: str | None
    customer: str | None
    amount: int
    currency: str
    paid: bool
    captured: bool
    refunded: int
    disputed: int
    dispute_status: str | None
    created_at: datetime
    metadata: Mapping[str, str]
    receipt_url: str | None = None

    @property
    def dispute_won(self) -> bool:
        return self.dispute_status in {"won", "warning_closed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentIntent:
    id: str
    status: str  # succeeded, processing, requires_action, requires_payment_method, canceled, ...
    amount: int
    currency: str
    customer: str | None
    latest_charge: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """`amount` is negative where a proration gives back; `price` is a Stripe price id."""

    id: str
    price: str | None
    amount: int
    quantity: int
    is_proration: bool
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    id: str
    customer: str | None
    subscription: str | None
    billing_reason: str  # subscription_create, subscription_cycle, subscription_update, manual
    status: str  # draft, open, paid, uncollectible, void
    currency: str
    subtotal: int  # before discounts and taxes
    total: int
    amount_paid: int
    charges: Sequence[str]
    lines: Sequence[InvoiceLine]
    created_at: datetime
    number: str | None = None
    hosted_url: str | None = None
    pdf_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    id: str
    customer: str
    status: str  # active, trialing, past_due, unpaid, canceled, incomplete, incomplete_expired, ...
    price: str | None
    period_start: datetime | None
    period_end: datetime | None
    cancel_at_period_end: bool
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeEvent:
    """A webhook's or the event list's: `object_type` and `object_id` say whose state changed."""

    id: str
    kind: str
    created_at: datetime
    object_type: str
    object_id: str


class Till(Protocol):
    """
    Stripe. `key` is the idempotency key, committed with the intent before the call.

    Raises TillAway when the answer is unknown (try again with the same key), CardRefused when the
    bank said no, NotFound for what Stripe does not know.
    """

    async def create_customer(self, *, user_id: str, email: str | None, key: str) -> str: ...

    async def open_checkout(self, wish: CheckoutWish, *, key: str) -> Checkout: ...

    async def checkout(self, checkout_id: str) -> Checkout: ...

    async def close_checkout(self, checkout_id: str, *, key: str) -> None:
        """It can be paid no more. Raises Invalid when it is not open."""
        ...

    async def payment_intent(self, payment_intent_id: str) -> PaymentIntent: ...

    async def charge(self, charge_id: str) -> Charge: ...

    async def invoice(self, invoice_id: str) -> Invoice: ...

    async def subscription(self, subscription_id: str) -> Subscription: ...

    async def pay_off_session(
        self,
        *,
        customer: str,
        amount: int,
        currency: str,
        metadata: Mapping[str, str],
        key: str,
    ) -> PaymentIntent:
        """With the card the customer saved. Raises AuthenticationNeeded too."""
        ...

    async def portal_url(self, *, customer: str, return_url: str, key: str) -> str: ...

    async def charges_of(self, customer: str, *, limit: int) -> Sequence[Charge]: ...

    async def invoices_of(self, customer: str, *, limit: int) -> Sequence[Invoice]: ...

    def events_since(self, since: datetime) -> AsyncIterator[StripeEvent]:
        """Oldest first is not promised."""
        ...

    async def close(self) -> None: ...
