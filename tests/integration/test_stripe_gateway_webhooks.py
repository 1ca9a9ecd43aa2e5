"""Deliveries that are not what they seem."""

import json
from typing import Any

import pytest
import stripe

from billing.stripe_gateway import (
    SIGNATURE_AGE_S_MAX,
    SIGNATURE_AHEAD_S_MAX,
    StripeGateway,
    read_webhook,
)
from shared.clock import SystemClock
from shared.errors import Invalid, Unauthenticated
from tests.fakes.stripe.webhooks import signature_headers
from tests.fakes.stripe_server import FakeStripe
from tests.integration.till_rig import stripe_fake, till

__all__ = ["stripe_fake", "till"]

SECRET = "whsec_of_these_tests"
EVENT: dict[str, Any] = {
    "id": "evt_1",
    "object": "event",
    "type": "charge.succeeded",
    "created": 1_700_000_000,
    "data": {"object": {"object": "charge", "id": "ch_1"}},
}


def _now_s() -> float:
    return SystemClock().now().timestamp()


def _header(body: bytes, *, secret: str = SECRET, at_s: float | None = None) -> str:
    return signature_headers(body, secret, at_s or _now_s())["Stripe-Signature"]


def test_a_delivery_is_read() -> None:
    body = json.dumps(EVENT).encode()

    event = read_webhook(body, _header(body), secret=SECRET, now_s=_now_s())

    assert event.kind == "charge.succeeded"
    assert (event.object_type, event.object_id) == ("charge", "ch_1")


def test_the_fake_signs_as_the_sdk_does() -> None:
    body = json.dumps(EVENT)
    sign = stripe.WebhookSignature.generate_signature_header

    assert _header(body.encode(), at_s=1_700_000_000) == sign(body, SECRET, 1_700_000_000)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        "t=,v1=",
        "t=1700000000",
        "v1=abc",
        "t=1700000000,v1=ünlike",
        "t=²,v1=abc",
        "t=" + "9" * 5_000 + ",v1=abc",
    ],
)
def test_a_header_that_is_none_is_refused(header: str) -> None:
    with pytest.raises(Unauthenticated):
        read_webhook(json.dumps(EVENT).encode(), header, secret=SECRET, now_s=_now_s())


def test_a_forged_delivery_is_refused() -> None:
    body = json.dumps(EVENT).encode()

    with pytest.raises(Unauthenticated):
        read_webhook(body, _header(body, secret="whsec_other"), secret=SECRET, now_s=_now_s())
    with pytest.raises(Unauthenticated):
        read_webhook(body + b" ", _header(body), secret=SECRET, now_s=_now_s())


@pytest.mark.parametrize("shift_s", [-SIGNATURE_AGE_S_MAX - 2, SIGNATURE_AHEAD_S_MAX + 2, 10**9])
def test_a_delivery_of_another_time_is_refused(shift_s: float) -> None:
    body, now_s = json.dumps(EVENT).encode(), _now_s()

    with pytest.raises(Unauthenticated):
        read_webhook(body, _header(body, at_s=now_s + shift_s), secret=SECRET, now_s=now_s)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"evt"',
        b"{}",
        b'{"id": "evt_1"}',
        b'{"id": 5, "type": "x", "created": 1e30, "data": {"object": {}}}',
        b'{"id": "evt_1", "type": "x", "created": "soon", "data": {"object": {}}}',
        b'{"id": "evt_1", "type": "x", "created": 1, "data": []}',
        b"[" * 50_000,
        b"\xff\xfe",
    ],
)
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    """Not reachable without the secret, but the answer must be a refusal of ours."""
    with pytest.raises((Invalid, Unauthenticated)):
        read_webhook(body, _header(body), secret=SECRET, now_s=_now_s())


async def test_every_event_of_a_shop_is_read(stripe_fake: FakeStripe, till: StripeGateway) -> None:
    customer = await till.create_customer(user_id="u", email=None, key="a")
    stripe_fake.desk.save_card(customer)
    paid = await till.pay_off_session(
        customer=customer, amount=500, currency="usd", metadata={}, key="b"
    )
    stripe_fake.desk.open_dispute(paid.latest_charge or "")

    for event in stripe_fake.account.events:
        body, headers = stripe_fake.webhooks.signed(event)
        read = read_webhook(
            body,
            headers["Stripe-Signature"],
            secret=stripe_fake.webhooks.secret,
            now_s=_now_s(),
        )
        assert (read.id, read.kind) == (event["id"], event["type"])
        assert read.object_id
