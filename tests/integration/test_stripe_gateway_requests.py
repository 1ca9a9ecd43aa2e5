"""stripe-mock accepts every request of ours, and our reading copes with every answer of its."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from billing.stripe_gateway import StripeGateway
from billing.stripe_objects import Charge, CheckoutWish, Invoice, PaymentIntent, Subscription
from billing.stripe_settings import StripeSettings
from shared.errors import Invalid
from tests.integration.stripe_mock import running_stripe_mock

WISH: dict[str, Any] = {
    "customer": "cus_1",
    "client_reference_id": "u",
    "metadata": {"topup_id": "1"},
    "success_url": "http://shop.test/thanks?session={CHECKOUT_SESSION_ID}",
    "cancel_url": "http://shop.test/cancelled",
}
FREE_AMOUNT = {
    "price_data": {"currency": "jpy", "unit_amount": 700, "product_data": {"name": "Credits"}},
    "quantity": 1,
}


@pytest.fixture(scope="module")
def stripe_mock_url() -> Iterator[str]:
    """Once, because it takes seconds to read its document."""
    with running_stripe_mock() as url:
        yield url


@pytest_asyncio.fixture
async def mocked(stripe_mock_url: str) -> AsyncIterator[StripeGateway]:
    settings = {"stripe_secret_key": "sk_test_123", "stripe_base_url": stripe_mock_url}
    gateway = StripeGateway.open(StripeSettings.model_validate(settings))
    try:
        yield gateway
    finally:
        await gateway.close()


async def test_every_write_of_ours_is_one_of_stripes(mocked: StripeGateway) -> None:
    assert await mocked.create_customer(user_id="u", email="a@b.test", key="a")
    assert await mocked.create_customer(user_id="u", email=None, key="b")
    topup = CheckoutWish(mode="payment", line_items=[FREE_AMOUNT], save_card=True, **WISH)
    assert (await mocked.open_checkout(topup, key="c")).url
    plan = [{"price": "price_1", "quantity": 1}]
    subscribed = CheckoutWish(mode="subscription", line_items=plan, coupon="first", **WISH)
    assert (await mocked.open_checkout(subscribed, key="d")).status == "open"
    paid = await mocked.pay_off_session(
        customer="cus_1", amount=500, currency="usd", metadata={"topup_id": "1"}, key="e"
    )
    assert isinstance(paid, PaymentIntent)
    assert await mocked.portal_url(customer="cus_1", return_url="http://shop.test", key="f")


async def test_every_question_of_ours_is_answered_and_read(mocked: StripeGateway) -> None:
    assert (await mocked.checkout("cs_1")).id == "cs_1"
    assert (await mocked.payment_intent("pi_1")).id == "pi_1"
    assert isinstance(await mocked.charge("ch_1"), Charge)
    assert isinstance(await mocked.invoice("in_1"), Invoice)
    assert isinstance(await mocked.subscription("sub_1"), Subscription)
    assert await mocked.charges_of("cus_1", limit=5)
    assert await mocked.invoices_of("cus_1", limit=5)
    since = datetime(2026, 11, 1, tzinfo=UTC)
    assert [event async for event in mocked.events_since(since)]


async def test_a_request_that_stripe_does_not_know_is_refused(mocked: StripeGateway) -> None:
    """So the two tests above could fail."""
    wrong = CheckoutWish(mode="gift", line_items=[{"price": "price_1", "quantity": 1}], **WISH)

    with pytest.raises(Invalid):
        await mocked.open_checkout(wrong, key="a")
