"""
Stripe through its own SDK: the only module that imports it.

Every call that changes something carries the idempotency key of an intent that was committed
before; a time-out therefore means "ask again with the same key", never "pay again".
"""

import json
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import stripe

from billing.stripe_objects import (
    AuthenticationNeeded,
    CardRefused,
    Charge,
    Checkout,
    CheckoutWish,
    Invoice,
    PaymentIntent,
    StripeEvent,
    Subscription,
    TillAway,
)
from billing.stripe_reading import (
    read_charge,
    read_checkout,
    read_event,
    read_invoice,
    read_payment_intent,
    read_subscription,
)
from billing.stripe_settings import StripeSettings
from shared.errors import Invalid, NotFound, Unauthenticated

API_VERSION: Final = "2026-10-28.endive"  # the shapes that `stripe_reading.py` knows
TIMEOUT_S: Final = 20.0
RETRIES_MAX: Final = 2  # by the SDK, with the same key
PAGE_MAX: Final = 100  # Stripe's own limit
EVENTS_MAX: Final = 10_000  # in one sweep; more than three days of a large shop is a bug
SIGNATURE_AGE_S_MAX: Final = 300
SIGNATURE_AHEAD_S_MAX: Final = 60  # Stripe's SDK accepts any time in the future; we do not
# What reading a body that is no event can raise, dates out of range and deep nesting included
NO_EVENT: Final = (
    ValueError,
    AttributeError,
    KeyError,
    TypeError,
    OverflowError,
    OSError,
    RecursionError,
)

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class StripeGateway:
    """Implements `Till`."""

    client: stripe.StripeClient
    http: stripe.AIOHTTPClient

    @classmethod
    def open(cls, settings: StripeSettings, *, timeout_s: float = TIMEOUT_S) -> "StripeGateway":
        """Needs STRIPE_SECRET_KEY. Connects at the first call; `timeout_s` is of one attempt."""
        assert settings.stripe_secret_key, "no till without a key"
        http = stripe.AIOHTTPClient(timeout=timeout_s)
        base = settings.stripe_base_url
        client = stripe.StripeClient(
            settings.stripe_secret_key.get_secret_value(),
            http_client=http,
            stripe_version=API_VERSION,
            max_network_retries=RETRIES_MAX,
            base_addresses={"api": base} if base else None,
        )
        return cls(client, http)

    async def close(self) -> None:
        await self.http.close_async()  # type: ignore[no-untyped-call]  # the SDK's own gap

    async def create_customer(self, *, user_id: str, email: str | None, key: str) -> str:
        wanted: dict[str, Any] = {"metadata": {"user_id": user_id}}
        if email:
            wanted["email"] = email
        made = await _ask(self.client.v1.customers.create_async(wanted, _once(key)))  # type: ignore[arg-type]  # a plain dict is what goes over the wire
        return made.id

    async def open_checkout(self, wish: CheckoutWish, *, key: str) -> Checkout:
        params = _checkout_params(wish)
        made = await _ask(self.client.v1.checkout.sessions.create_async(params, _once(key)))  # type: ignore[arg-type]
        return read_checkout(made)

    async def checkout(self, checkout_id: str) -> Checkout:
        return read_checkout(
            await _ask(self.client.v1.checkout.sessions.retrieve_async(checkout_id))
        )

    async def close_checkout(self, checkout_id: str, *, key: str) -> None:
        await _ask(self.client.v1.checkout.sessions.expire_async(checkout_id, options=_once(key)))

    async def payment_intent(self, payment_intent_id: str) -> PaymentIntent:
        found = await _ask(self.client.v1.payment_intents.retrieve_async(payment_intent_id))
        return read_payment_intent(found)

    async def charge(self, charge_id: str) -> Charge:
        return await self._complete(await _ask(self.client.v1.charges.retrieve_async(charge_id)))

    async def invoice(self, invoice_id: str) -> Invoice:
        found = await _ask(
            self.client.v1.invoices.retrieve_async(invoice_id, {"expand": ["payments"]})
        )
        return await self._invoice(found)

    async def subscription(self, subscription_id: str) -> Subscription:
        return read_subscription(
            await _ask(self.client.v1.subscriptions.retrieve_async(subscription_id))
        )

    async def pay_off_session(
        self,
        *,
        customer: str,
        amount: int,
        currency: str,
        metadata: Mapping[str, str],
        key: str,
    ) -> PaymentIntent:
        found = await _ask(
            self.client.v1.payment_methods.list_async({"customer": customer, "limit": 1})
        )
        if not found.data:
            raise CardRefused("No card is saved")
        wanted: Any = {
            "customer": customer,
            "amount": amount,
            "currency": currency,
            "payment_method": found.data[0].id,
            "off_session": True,
            "confirm": True,
            "metadata": dict(metadata),
        }
        try:
            paid = await _ask(self.client.v1.payment_intents.create_async(wanted, _once(key)))
        except TillAway as away:
            if not isinstance(away.__cause__, stripe.IdempotencyError | stripe.APIError):
                raise
            return await self._made_before(customer, metadata, away)
        return read_payment_intent(paid)

    async def portal_url(self, *, customer: str, return_url: str, key: str) -> str:
        made = await _ask(
            self.client.v1.billing_portal.sessions.create_async(
                {"customer": customer, "return_url": return_url}, _once(key)
            )
        )
        return made.url

    async def charges_of(self, customer: str, *, limit: int) -> Sequence[Charge]:
        found = await _ask(
            self.client.v1.charges.list_async({"customer": customer, "limit": min(limit, PAGE_MAX)})
        )
        return [await self._complete(charge) for charge in found.data]

    async def invoices_of(self, customer: str, *, limit: int) -> Sequence[Invoice]:
        found = await _ask(
            self.client.v1.invoices.list_async(
                {"customer": customer, "limit": min(limit, PAGE_MAX), "expand": ["data.payments"]}
            )
        )
        return [await self._invoice(invoice) for invoice in found.data]

    async def events_since(self, since: datetime) -> AsyncIterator[StripeEvent]:
        found = await _ask(
            self.client.v1.events.list_async(
                {"created": {"gte": int(since.timestamp())}, "limit": PAGE_MAX}
            )
        )
        seen = 0
        async for event in found.auto_paging_iter():
            yield read_event(event)
            seen += 1
            if seen >= EVENTS_MAX:
                return

    async def _made_before(
        self, customer: str, metadata: Mapping[str, str], away: TillAway
    ) -> PaymentIntent:
        """
        The payment that the key already made, told by its metadata. Raises `away` without one.

        Stripe answers a key for a day with its first answer, also a 500 that came after the
        effect, and refuses it when the customer saved another card since: asking again can not
        help in either case.
        """
        if not metadata:
            raise away
        found = await _ask(
            self.client.v1.payment_intents.list_async({"customer": customer, "limit": PAGE_MAX})
        )
        for made in found.data:
            intent = read_payment_intent(made)
            if metadata.items() <= intent.metadata.items():
                return intent
        raise away

    async def _complete(self, charge: Any) -> Charge:
        """A charge with what is kept elsewhere: its disputes and its invoice."""
        disputes = []
        if charge.disputed:
            listed = await _ask(self.client.v1.disputes.list_async({"charge": charge.id}))
            disputes = listed.data
        return read_charge(charge, disputes=disputes, invoice=await self._invoice_of(charge))

    async def _invoice_of(self, charge: Any) -> str | None:
        intent = charge.payment_intent
        if intent is None or "topup_id" in charge.metadata:
            return None  # a top-up of ours, which has no invoice
        payment: Any = {
            "type": "payment_intent",
            "payment_intent": intent if isinstance(intent, str) else intent.id,
        }
        found = await _ask(self.client.v1.invoice_payments.list_async({"payment": payment}))
        return str(found.data[0].invoice) if found.data else None

    async def _invoice(self, invoice: Any) -> Invoice:
        charges = []
        for paid in invoice.payments.data if invoice.payments else []:
            if paid.status == "paid" and paid.payment.type == "payment_intent":
                intent = await self.payment_intent(str(paid.payment.payment_intent))
                if intent.latest_charge:
                    charges.append(intent.latest_charge)
        lines = [line async for line in invoice.lines.auto_paging_iter()]
        return read_invoice(invoice, charges=charges, lines=lines)


def read_webhook(payload: bytes, signature: str, *, secret: str, now_s: float) -> StripeEvent:
    """
    A verified delivery. Raises Unauthenticated for a wrong signature, Invalid for a wrong body.

    A time too far in the future is refused as well as an old one: it could be replayed for long.
    """
    if not signature.isascii():
        raise Unauthenticated("Invalid signature")  # the SDK's comparison fails on anything else
    try:
        stripe.WebhookSignature.verify_header(
            payload.decode(), signature, secret, SIGNATURE_AGE_S_MAX
        )
        stamped = max(int(part[2:]) for part in signature.split(",") if part.startswith("t="))
    except (stripe.SignatureVerificationError, ValueError) as error:
        raise Unauthenticated("Invalid signature") from error
    if stamped > now_s + SIGNATURE_AHEAD_S_MAX:
        raise Unauthenticated("Invalid signature")
    try:
        event = stripe.Event.construct_from(json.loads(payload), key="")
        return read_event(event)
    except NO_EVENT as error:
        raise Invalid("This is no event") from error


def _checkout_params(wish: CheckoutWish) -> dict[str, Any]:
    """As `POST /v1/checkout/sessions` wants them."""
    metadata = dict(wish.metadata)
    params: dict[str, Any] = {
        "mode": wish.mode,
        "customer": wish.customer,
        "client_reference_id": wish.client_reference_id,
        "line_items": [dict(item) for item in wish.line_items],
        "metadata": metadata,
        "success_url": wish.success_url,
        "cancel_url": wish.cancel_url,
    }
    if wish.mode == "payment":
        params["payment_intent_data"] = {"metadata": metadata}
        if wish.save_card:
            params["payment_intent_data"]["setup_future_usage"] = "off_session"
    else:
        params["subscription_data"] = {"metadata": metadata}
    if wish.coupon:
        params["discounts"] = [{"coupon": wish.coupon}]
    return params


def _once(key: str) -> Any:
    return {"idempotency_key": key}


def _decline_code(error: stripe.CardError) -> str | None:
    return (error.error.decline_code if error.error else None) or error.code


async def _ask(request: Awaitable[ResultT]) -> ResultT:
    """Stripe's answer, or one of our refusals; texts of Stripe's may name the customer."""
    try:
        return await request
    except stripe.CardError as error:
        if error.code == "authentication_required":
            raise AuthenticationNeeded(decline_code=error.code) from error
        raise CardRefused(decline_code=_decline_code(error)) from error
    except stripe.InvalidRequestError as error:
        if error.code == "resource_missing":
            raise NotFound("Stripe does not know this") from error
        raise Invalid("Stripe refused the request", details=error.param) from error
    except stripe.StripeError as error:
        raise TillAway from error
