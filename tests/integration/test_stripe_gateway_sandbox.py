"""
What must hold at the fake and at a real sandbox alike.

With STRIPE_SANDBOX_KEY in the environment (a test key, `sk_test_...`) these talk to Stripe itself,
else to the fake. Pages that only a person can pay at are not part of it.
"""

import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from billing.stripe_gateway import StripeGateway
from billing.stripe_objects import AuthenticationNeeded, CardRefused, CheckoutWish, PaymentIntent
from billing.stripe_settings import StripeSettings
from shared.clock import SystemClock
from shared.errors import Invalid, NotFound
from tests.fakes.stripe_server import running_stripe
from tests.integration.till_rig import till_settings

SANDBOX_KEY = os.environ.get("STRIPE_SANDBOX_KEY")
pytestmark = pytest.mark.timeout(180)


@dataclass(frozen=True, slots=True)
class Shop:
    """`run` makes keys and metadata of this test its own, in an account that keeps everything."""

    till: StripeGateway
    run: str

    @property
    def v1(self) -> Any:
        """Stripe's API itself, for what our gateway never does."""
        return self.till.client.v1

    async def customer(self, card: str | None = "pm_card_visa") -> str:
        made = await self.till.create_customer(user_id=self.run, email=None, key=f"{self.run}:c")
        if card:
            await self.v1.payment_methods.attach_async(card, {"customer": made})
        return made

    async def price(self, amount: int, currency: str = "usd", every: str | None = None) -> str:
        wanted = {"unit_amount": amount, "currency": currency, "product_data": {"name": self.run}}
        made = await self.v1.prices.create_async(
            wanted | ({"recurring": {"interval": every}} if every else {})
        )
        return str(made.id)

    async def pay(self, customer: str, amount: int = 700, currency: str = "usd") -> PaymentIntent:
        return await self.till.pay_off_session(
            customer=customer,
            amount=amount,
            currency=currency,
            metadata={"topup_id": self.run},
            key=f"{self.run}:p",
        )


@pytest_asyncio.fixture
async def shop() -> AsyncIterator[Shop]:
    async with running_stripe() as fake:
        settings = {"stripe_secret_key": SANDBOX_KEY} if SANDBOX_KEY else till_settings(fake)
        gateway = StripeGateway.open(StripeSettings.model_validate(settings))
        try:
            yield Shop(gateway, f"run-{secrets.token_hex(8)}")
        finally:
            await gateway.close()


async def test_a_customer_is_made_once(shop: Shop) -> None:
    assert await shop.customer(None) == await shop.customer(None)


async def test_a_saved_card_pays_once_for_a_key(shop: Shop) -> None:
    customer = await shop.customer()

    paid = await shop.pay(customer)

    assert (paid.status, paid.amount, paid.metadata) == ("succeeded", 700, {"topup_id": shop.run})
    assert await shop.pay(customer) == paid
    charges = await shop.till.charges_of(customer, limit=10)
    assert [charge.id for charge in charges] == [paid.latest_charge]


async def test_another_card_since_does_not_pay_twice(shop: Shop) -> None:
    customer = await shop.customer()
    first = await shop.pay(customer)
    await shop.v1.payment_methods.attach_async("pm_card_mastercard", {"customer": customer})

    assert await shop.pay(customer) == first


async def test_a_charge_carries_the_payments_metadata(shop: Shop) -> None:
    paid = await shop.pay(await shop.customer())

    charge = await shop.till.charge(paid.latest_charge or "")

    assert charge.metadata == {"topup_id": shop.run}
    assert (charge.paid, charge.captured, charge.refunded, charge.disputed) == (True, True, 0, 0)
    age_s = (SystemClock().now() - charge.created_at).total_seconds()
    assert abs(age_s) < 300


async def test_a_declined_card_is_refused(shop: Shop) -> None:
    customer = await shop.customer("pm_card_chargeCustomerFail")

    with pytest.raises(CardRefused) as refused:
        await shop.pay(customer)

    assert refused.value.decline_code == "generic_decline"


async def test_a_bank_that_asks_its_customer_is_told_apart(shop: Shop) -> None:
    customer = await shop.customer("pm_card_authenticationRequired")

    with pytest.raises(AuthenticationNeeded):
        await shop.pay(customer)


async def test_refunds_are_seen_on_the_charge(shop: Shop) -> None:
    paid = await shop.pay(await shop.customer())

    await shop.v1.refunds.create_async({"charge": paid.latest_charge, "amount": 200})

    assert (await shop.till.charge(paid.latest_charge or "")).refunded == 200


async def test_yen_are_whole(shop: Shop) -> None:
    paid = await shop.pay(await shop.customer(), 700, "jpy")

    assert (paid.amount, paid.currency) == (700, "jpy")


async def test_a_page_opens_and_expires(shop: Shop) -> None:
    wish = CheckoutWish(
        mode="payment",
        customer=await shop.customer(None),
        client_reference_id=shop.run,
        line_items=[{"price": await shop.price(500), "quantity": 1}],
        metadata={"topup_id": shop.run},
        success_url="https://shop.test/thanks?session={CHECKOUT_SESSION_ID}",
        cancel_url="https://shop.test/cancelled",
        save_card=True,
    )

    opened = await shop.till.open_checkout(wish, key=f"{shop.run}:o")

    assert (opened.status, opened.payment_status) == ("open", "unpaid")
    assert opened.url
    assert opened == await shop.till.open_checkout(wish, key=f"{shop.run}:o")
    await shop.v1.checkout.sessions.expire_async(opened.id)
    expired = await shop.till.checkout(opened.id)
    assert (expired.status, expired.url) == ("expired", None)


async def test_a_plan_is_paid_by_an_invoice(shop: Shop) -> None:
    customer, price = await shop.customer(None), await shop.price(1_000, every="month")
    card = await shop.v1.payment_methods.attach_async("pm_card_visa", {"customer": customer})

    made = await shop.v1.subscriptions.create_async(
        {
            "customer": customer,
            "items": [{"price": price}],
            "default_payment_method": card.id,
            "metadata": {"user_id": shop.run},
        }
    )

    subscription = await shop.till.subscription(made.id)
    assert (subscription.status, subscription.price) == ("active", price)
    assert subscription.metadata == {"user_id": shop.run}
    (invoice,) = await shop.till.invoices_of(customer, limit=10)
    assert (invoice.status, invoice.billing_reason) == ("paid", "subscription_create")
    assert (invoice.subscription, invoice.amount_paid) == (made.id, 1_000)
    assert [(line.price, line.amount, line.is_proration) for line in invoice.lines] == [
        (price, 1_000, False)
    ]
    (charge,) = await shop.till.charges_of(customer, limit=10)
    assert (invoice.charges, charge.invoice) == ((charge.id,), invoice.id)


async def test_a_dearer_plan_is_invoiced_by_proration(shop: Shop) -> None:
    customer = await shop.customer()
    cheap, dear = await shop.price(1_000, every="month"), await shop.price(7_500, every="month")
    card = (await shop.v1.payment_methods.list_async({"customer": customer})).data[0].id
    made = await shop.v1.subscriptions.create_async(
        {"customer": customer, "items": [{"price": cheap}], "default_payment_method": card}
    )
    item = (await shop.v1.subscriptions.retrieve_async(made.id))["items"].data[0].id

    await shop.v1.subscriptions.update_async(
        made.id,
        {"items": [{"id": item, "price": dear}], "proration_behavior": "always_invoice"},
    )

    latest = (await shop.till.invoices_of(customer, limit=1))[0]
    assert latest.billing_reason == "subscription_update"
    assert sorted((line.price, line.is_proration) for line in latest.lines) == sorted(
        [(cheap, True), (dear, True)]
    )
    assert latest.amount_paid == sum(line.amount for line in latest.lines)


async def test_what_stripe_does_not_know_or_want(shop: Shop) -> None:
    with pytest.raises(NotFound):
        await shop.till.charge("ch_of_nobody")
    with pytest.raises(NotFound):
        await shop.till.invoice("in_of_nobody")
    with pytest.raises(Invalid):
        await shop.pay(await shop.customer(), 1)
