"""The fake keeps Stripe's promises, and breaks those that Stripe does not make."""

import asyncio
from collections import Counter
from typing import Any

import pytest
import stripe

from billing.stripe_gateway import StripeGateway, read_webhook
from billing.stripe_objects import Checkout, CheckoutWish
from shared.clock import SystemClock
from shared.errors import Unauthenticated
from tests.fakes.stripe.refusals import StripeRefusal
from tests.fakes.stripe_server import FakeStripe, Trouble, WebhookFaults
from tests.integration.till_rig import stripe_fake, till

__all__ = ["stripe_fake", "till"]


async def _open(fake: FakeStripe, till: StripeGateway, **changes: Any) -> Checkout:
    customer = await till.create_customer(user_id="u", email=None, key="customer")
    usual: dict[str, Any] = {
        "mode": "payment",
        "customer": customer,
        "client_reference_id": "u",
        "line_items": [{"price": fake.desk.price(1_000), "quantity": 2}],
        "metadata": {"topup_id": "1"},
        "success_url": "http://shop.test/thanks",
        "cancel_url": "http://shop.test/cancelled",
    }
    return await till.open_checkout(CheckoutWish(**{**usual, **changes}), key="checkout")


def _kinds(fake: FakeStripe) -> list[str]:
    return [event["type"] for event in fake.account.events]


async def test_a_page_is_paid_once(stripe_fake: FakeStripe, till: StripeGateway) -> None:
    opened = await _open(stripe_fake, till)

    stripe_fake.desk.pay_checkout(opened.id)

    paid = await till.checkout(opened.id)
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    intent = await till.payment_intent(paid.payment_intent or "")
    assert (intent.amount, intent.metadata) == (2_000, {"topup_id": "1"})
    with pytest.raises(StripeRefusal):
        stripe_fake.desk.pay_checkout(opened.id)


async def test_a_declined_card_leaves_the_page_open(
    stripe_fake: FakeStripe, till: StripeGateway
) -> None:
    opened = await _open(stripe_fake, till)
    stripe_fake.desk.pay_checkout(opened.id, "declined")
    assert (await till.checkout(opened.id)).status == "open"

    stripe_fake.desk.pay_checkout(opened.id)

    assert (await till.checkout(opened.id)).payment_status == "paid"
    assert len(stripe_fake.account.all("payment_intent")) == 1
    assert len(stripe_fake.account.all("charge", status="succeeded")) == 1


@pytest.mark.parametrize(("pays", "status"), [(True, "paid"), (False, "unpaid")])
async def test_slow_money_comes_later_or_never(
    stripe_fake: FakeStripe, till: StripeGateway, pays: bool, status: str
) -> None:
    opened = await _open(stripe_fake, till)
    stripe_fake.desk.pay_checkout(opened.id, "slow")
    waiting = await till.checkout(opened.id)
    assert (waiting.status, waiting.payment_status) == ("complete", "unpaid")

    stripe_fake.desk.settle(waiting.payment_intent or "", pays=pays)

    assert (await till.checkout(opened.id)).payment_status == status
    happened = "async_payment_succeeded" if pays else "async_payment_failed"
    assert _kinds(stripe_fake)[-1] == f"checkout.session.{happened}"


async def test_a_page_expires_after_a_day(stripe_fake: FakeStripe, till: StripeGateway) -> None:
    opened = await _open(stripe_fake, till)

    stripe_fake.desk.advance(hours=25)

    assert (await till.checkout(opened.id)).status == "expired"
    assert "checkout.session.expired" in _kinds(stripe_fake)


async def test_refunds_add_up_to_the_charge_at_most(
    stripe_fake: FakeStripe, till: StripeGateway
) -> None:
    opened = await _open(stripe_fake, till)
    stripe_fake.desk.pay_checkout(opened.id)
    charge = stripe_fake.account.all("charge")[0]["id"]

    first = stripe_fake.desk.refund(charge, 500)
    with pytest.raises(StripeRefusal):
        stripe_fake.desk.refund(charge, 1_501)
    stripe_fake.desk.refund(charge)
    with pytest.raises(StripeRefusal):
        stripe_fake.desk.refund(charge)
    assert (await till.charge(charge)).refunded == 2_000

    stripe_fake.desk.fail_refund(first["id"])
    assert (await till.charge(charge)).refunded == 1_500


async def test_the_same_key_for_something_else_is_an_error(
    stripe_fake: FakeStripe, till: StripeGateway
) -> None:
    once: Any = {"idempotency_key": "a"}
    await till.client.v1.products.create_async({"name": "One"}, once)

    with pytest.raises(stripe.IdempotencyError):
        await till.client.v1.products.create_async({"name": "Other"}, once)
    with pytest.raises(stripe.IdempotencyError):
        await till.client.v1.customers.create_async({"name": "One"}, once)

    stripe_fake.desk.advance(days=2)  # keys are forgotten after a day
    await till.client.v1.products.create_async({"name": "Other"}, once)


async def test_the_same_key_at_once_has_one_effect(
    stripe_fake: FakeStripe, till: StripeGateway
) -> None:
    """Two tabs: one is answered, the other is told to wait and gets the same."""
    stripe_fake.api.latency_s = 0.05

    made = await asyncio.gather(
        *(till.create_customer(user_id="u", email=None, key="a") for _ in range(3))
    )

    assert len(set(made)) == 1
    assert len(stripe_fake.account.all("customer")) == 1


async def test_lists_come_in_pages(stripe_fake: FakeStripe, till: StripeGateway) -> None:
    for _ in range(25):
        stripe_fake.desk.price(500)

    first = await till.client.v1.prices.list_async()
    everything = [price.id async for price in first.auto_paging_iter()]

    assert len(first.data) == 10
    assert everything == [price["id"] for price in stripe_fake.account.all("price")]


async def test_webhooks_arrive_signed_and_are_sent_again_until_taken(
    stripe_fake: FakeStripe,
) -> None:
    answers = iter([500, 404, 200])
    got: list[str] = []

    async def receiver(body: bytes, headers: dict[str, str]) -> int:
        event = read_webhook(
            body,
            headers["Stripe-Signature"],
            secret=stripe_fake.webhooks.secret,
            now_s=SystemClock().now().timestamp(),
        )
        got.append(event.id)
        return next(answers)

    stripe_fake.webhooks.to(receiver)
    stripe_fake.desk.coupon(percent_off=10)
    await stripe_fake.webhooks.settled()

    assert got == [stripe_fake.account.events[0]["id"]] * 3


async def test_webhooks_suffer_what_networks_do(stripe_fake: FakeStripe) -> None:
    good: list[str] = []
    forged = 0

    async def receiver(body: bytes, headers: dict[str, str]) -> int:
        nonlocal forged
        try:
            event = read_webhook(
                body,
                headers["Stripe-Signature"],
                secret=stripe_fake.webhooks.secret,
                now_s=SystemClock().now().timestamp(),
            )
        except Unauthenticated:
            forged += 1
            return 400
        good.append(event.id)
        return 200

    faults = WebhookFaults(
        drop=0.2, duplicate=0.3, reorder=0.3, forge=0.2, fail=0.2, delay_s_max=0.05
    )
    stripe_fake.webhooks.misbehave(faults, seed=7)
    stripe_fake.webhooks.to(receiver)
    for _ in range(50):
        stripe_fake.desk.price(500)
    await stripe_fake.webhooks.settled()

    sent = [event["id"] for event in stripe_fake.account.events]
    dropped = set(stripe_fake.webhooks.dropped)
    assert dropped
    assert set(good) == set(sent) - dropped
    assert max(Counter(good).values()) > 1
    assert forged
    assert list(dict.fromkeys(good)) != [event for event in sent if event in set(good)]


async def test_trouble_by_chance_is_the_same_for_a_seed(
    stripe_fake: FakeStripe, till: StripeGateway
) -> None:
    async def outcomes() -> list[bool]:
        stripe_fake.api.trouble.by_chance({Trouble.RATE_LIMITS: 0.5}, seed=3)
        asked = []
        for _ in range(20):
            try:
                await till.client.v1.products.list_async()
                asked.append(True)
            except stripe.RateLimitError:
                asked.append(False)
        return asked

    first = await outcomes()

    assert first == await outcomes()
    assert {True, False} == set(first)
