"""POST /api/stripe/webhook: only what Stripe signed lately gets into the inbox, once."""

import asyncio
import time
from typing import Any

import pytest

from tests.integration.till_desk import Shop, shop, stripe_fake
from tests.web_process import Media, running_web, web_settings

__all__ = ["shop", "stripe_fake"]

PATHS = ("/api/stripe/webhook", "/api/webhooks/stripe", "/webhooks/stripe")


async def an_event(shop: Shop) -> dict[str, object]:
    buyer = await shop.buyer()
    shop.stripe.webhooks.misbehave(type(shop.stripe.webhooks.faults)(drop=1), seed=1)
    checkout_id = await shop.opened(buyer)
    shop.stripe.desk.pay_checkout(checkout_id)
    return next(it for it in shop.stripe.account.events if it["type"] == "charge.succeeded")


async def rows(shop: Shop) -> int:
    found: int = await shop.web.db.fetchval("select count(*) from webhook_inbox")
    return found


async def post(shop: Shop, path: str, body: bytes, headers: dict[str, str]) -> int:
    return (await shop.web.client.post(path, content=body, headers=headers)).status_code


@pytest.mark.parametrize("path", PATHS)
async def test_a_signed_event_is_stored_once_on_every_path(shop: Shop, path: str) -> None:
    event = await an_event(shop)
    for _ in range(3):
        assert await post(shop, path, *shop.stripe.webhooks.signed(event)) == 200
    kept = await shop.web.db.fetch(
        "select source, event_id, kind, payload->>'object_type', payload->>'object_id'"
        " from webhook_inbox"
    )
    assert [tuple(row) for row in kept] == [
        (
            "stripe",
            event["id"],
            "charge.succeeded",
            "charge",
            event["data"]["object"]["id"],  # type: ignore[index]
        )
    ]


async def test_what_stripe_did_not_sign_is_refused_and_not_kept(shop: Shop) -> None:
    event = await an_event(shop)
    body, headers = shop.stripe.webhooks.signed(event)
    signature = headers["Stripe-Signature"]
    for wrong in (
        {},
        {"Stripe-Signature": ""},
        {"Stripe-Signature": "t=1,v1=00"},
        {"Stripe-Signature": "v1=00"},
        {"Stripe-Signature": signature.replace("v1=", "v1=0")},
        {"Stripe-Signature": signature.replace("v1=", "v0=")},
        {"Stripe-Signature": "x" * 10_000},
    ):
        assert await post(shop, PATHS[0], body, wrong) == 400, wrong
    assert await post(shop, PATHS[0], body + b" ", headers) == 400
    forged = shop.stripe.webhooks.signed(event, secret="whsec_of_somebody_else")
    assert await post(shop, PATHS[0], *forged) == 400
    assert await rows(shop) == 0


@pytest.mark.parametrize(("age_s", "status"), [(-50, 200), (-90, 400), (250, 200), (330, 400)])
async def test_old_and_future_deliveries_are_replays(shop: Shop, age_s: int, status: int) -> None:
    event = await an_event(shop)
    signed = shop.stripe.webhooks.signed(event, at_s=time.time() - age_s)  # noqa: TID251 - the wall
    assert await post(shop, PATHS[0], *signed) == status
    assert await rows(shop) == (status == 200)


@pytest.mark.parametrize("path", PATHS)
async def test_a_huge_delivery_is_refused_before_it_is_read(shop: Shop, path: str) -> None:
    assert await post(shop, path, b"x" * 300_000, {"Stripe-Signature": "t=1,v1=00"}) == 413


async def test_a_signed_body_that_is_no_event_is_refused(shop: Shop) -> None:
    wrongs: list[Any] = [[], {}, {"id": 1}, {"id": "evt_1", "type": "x"}, {"id": "", "type": ""}]
    for wrong in wrongs:
        signed = shop.stripe.webhooks.signed(wrong)
        assert await post(shop, PATHS[0], *signed) == 400, wrong
    assert await rows(shop) == 0


async def test_without_a_secret_there_is_no_such_route(db_dsn: str, no_media: Media) -> None:
    async with running_web(web_settings(db_dsn, no_media)) as web:
        for path in PATHS:
            assert (await web.client.post(path, content=b"{}")).status_code == 404


async def test_without_a_key_nothing_is_sold_and_it_says_so(db_dsn: str, no_media: Media) -> None:
    async with running_web(web_settings(db_dsn, no_media)) as web:
        buyer = await web.account()
        answer = await buyer.post("/api/checkout", '{"packageId": "starter"}')
        assert (answer.status_code, answer.json()["code"]) == (503, "payments_not_offered")


async def test_many_deliveries_of_one_event_at_once_are_one_row(shop: Shop) -> None:
    event = await an_event(shop)
    signed = shop.stripe.webhooks.signed(event)
    found = await asyncio.gather(*(post(shop, PATHS[0], *signed) for _ in range(20)))
    assert set(found) == {200}
    assert await rows(shop) == 1
