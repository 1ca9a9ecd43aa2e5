"""What the fake says is what the SDK's classes and Stripe's OpenAPI document say it should."""

import copy
from typing import Any

import pytest

from billing.stripe_gateway import StripeGateway
from billing.stripe_objects import CheckoutWish
from tests.fakes.stripe.account import Doc, shown
from tests.fakes.stripe_server import FakeStripe
from tests.integration.stripe_checks import CLASSES, unlike_document, unlike_sdk
from tests.integration.stripe_mock import openapi_schemas
from tests.integration.till_rig import stripe_fake, till

__all__ = ["stripe_fake", "till"]


async def _busy_shop(fake: FakeStripe, till: StripeGateway) -> None:
    """An account in which every kind of object was made and changed."""
    customer = await till.create_customer(user_id="u", email="a@b.test", key="customer")
    plan, dearer = fake.desk.price(1_000, every="month"), fake.desk.price(7_500, every="month")
    for mode, price, coupon in (
        ("payment", fake.desk.price(500), None),
        ("subscription", plan, fake.desk.coupon(percent_off=50)),
    ):
        wish = CheckoutWish(
            mode=mode,
            customer=customer,
            client_reference_id="u",
            line_items=[{"price": price, "quantity": 1}],
            metadata={"topup_id": "1"},
            success_url="http://shop.test/thanks",
            cancel_url="http://shop.test/cancelled",
            coupon=coupon,
            save_card=mode == "payment",
        )
        fake.desk.pay_checkout((await till.open_checkout(wish, key=mode)).id)
    slow = await till.open_checkout(wish, key="slow")
    fake.desk.pay_checkout(slow.id, "slow")
    subscription = fake.account.all("subscription")[-1]["id"]
    fake.desk.advance(days=5)
    fake.desk.change_plan(subscription, dearer)
    fake.desk.change_plan(subscription, plan, "create_prorations")
    fake.desk.bank_says(customer, "asks_owner")
    fake.desk.advance(days=60)
    topup = fake.account.all("charge")[-1]["id"]
    fake.desk.fail_refund(fake.desk.refund(topup, 100)["id"])
    fake.desk.close_dispute(fake.desk.open_dispute(topup)["id"], won=False)
    await till.portal_url(customer=customer, return_url="http://shop.test", key="portal")


def _every_object(fake: FakeStripe) -> list[Doc]:
    """Also as they were when something happened to them."""
    now = [shown(doc) for doc in fake.account.kept.values()]
    then = [copy.deepcopy(event["data"]["object"]) for event in fake.account.events]
    return now + then + fake.account.events


async def test_objects_are_those_of_the_sdk(stripe_fake: FakeStripe, till: StripeGateway) -> None:
    await _busy_shop(stripe_fake, till)

    docs = _every_object(stripe_fake)
    wrong = {line for doc in docs for line in unlike_sdk(doc)}

    assert not wrong
    assert {doc["object"] for doc in docs} | {"line_item", "subscription_item"} == set(CLASSES)


async def test_objects_have_what_stripes_document_requires(
    stripe_fake: FakeStripe, till: StripeGateway
) -> None:
    schemas = openapi_schemas()
    await _busy_shop(stripe_fake, till)

    wrong = {line for doc in _every_object(stripe_fake) for line in unlike_document(schemas, doc)}

    assert not wrong


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"amount": None}, "charge.amount is None, not <class 'int'>"),
        ({"amount": "5"}, "charge.amount is '5', not <class 'int'>"),
        ({"colour": "red"}, "charge.colour is not known"),
        ({"billing_details": {}}, "charge.billing_details is missing"),
    ],
)
async def test_the_check_sees_what_is_wrong(
    stripe_fake: FakeStripe, till: StripeGateway, change: dict[str, Any], complaint: str
) -> None:
    await _busy_shop(stripe_fake, till)
    charge = shown(stripe_fake.account.all("charge")[0]) | change
    if change == {"billing_details": {}}:
        del charge["billing_details"]

    assert unlike_sdk(charge) == [complaint]


async def test_the_check_by_the_document_sees_what_is_missing(
    stripe_fake: FakeStripe, till: StripeGateway
) -> None:
    schemas = openapi_schemas()
    await _busy_shop(stripe_fake, till)
    invoice = shown(stripe_fake.account.all("invoice")[0]) | {"status_transitions": None}
    del invoice["amount_paid"]

    assert sorted(unlike_document(schemas, invoice)) == [
        "invoice.amount_paid is missing",
        "invoice.status_transitions is null",
    ]
