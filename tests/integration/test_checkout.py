"""POST /api/checkout and the way back: paid once, credited once, whoever tells first."""

import asyncio
from datetime import timedelta

from billing.money import from_credits
from billing.store import packages
from shared.clock import SystemClock
from tests.fakes.stripe_server import FakeStripe, Trouble
from tests.integration.till_desk import Shop, shop, stripe_fake

__all__ = ["shop", "stripe_fake"]


async def test_a_package_is_paid_and_credited_when_the_buyer_comes_back(shop: Shop) -> None:
    buyer = await shop.buyer()

    answer = await shop.checkout(buyer, packageId="standard")
    assert answer.status_code == 200
    told = answer.json()
    assert told == {
        "id": told["id"],
        "url": told["url"],
        "amount": 1_000,
        "currency": "usd",
        "credits": 25_000,
    }
    assert await shop.credits(buyer) == 0

    checkout_id = await shop.web.db.fetchval("select checkout_id from topups")
    shop.stripe.desk.pay_checkout(checkout_id)
    page = await shop.come_back(checkout_id)

    assert "25,000 credits were added" in page.text
    assert await shop.credits(buyer) == 25_000
    state = await buyer.get(f"/api/checkout/{told['id']}")
    assert state.json()["state"] == "paid"


async def test_return_page_and_webhooks_credit_once_in_whatever_order(shop: Shop) -> None:
    buyer = await shop.buyer()
    checkout_id = await shop.opened(buyer)
    shop.stripe.desk.pay_checkout(checkout_id)
    await shop.stripe.webhooks.settled()

    await asyncio.gather(*(shop.come_back(checkout_id) for _ in range(5)), shop.drain())
    await shop.stripe.webhooks.resend_all()
    await shop.drain()
    await shop.come_back(checkout_id)

    assert await shop.credits(buyer) == 10_000


async def test_a_webhook_alone_credits_too(shop: Shop) -> None:
    buyer = await shop.buyer()
    shop.stripe.desk.pay_checkout(await shop.opened(buyer))
    await shop.stripe.webhooks.settled()
    await shop.drain()

    assert await shop.credits(buyer) == 10_000
    assert (
        await shop.web.db.fetchval("select count(*) from webhook_inbox where handled_at is null")
        == 0
    )


async def test_two_tabs_that_pay_at_once_are_two_payments(shop: Shop) -> None:
    buyer = await shop.buyer()
    tabs = await asyncio.gather(shop.opened(buyer), shop.opened(buyer, packageId="standard"))
    assert len(set(tabs)) == 2
    for tab in tabs:
        shop.stripe.desk.pay_checkout(tab)
    await asyncio.gather(*(shop.come_back(tab) for tab in tabs))

    assert await shop.credits(buyer) == 35_000
    assert await shop.web.db.fetchval("select count(*) from stripe_customers") == 1
    assert len(shop.stripe.account.all("customer")) == 1


async def test_one_key_opens_one_page_also_after_its_answer_was_lost(shop: Shop) -> None:
    buyer = await shop.buyer()
    shop.stripe.api.trouble.next(
        Trouble.CUTS_DONE, method="POST", path="checkout/sessions", times=3
    )

    lost = await shop.checkout(buyer, key="k1", packageId="starter")
    again = await shop.checkout(buyer, key="k1", packageId="starter")
    once_more = await shop.checkout(buyer, key="k1", packageId="starter")

    assert (lost.status_code, again.status_code) == (503, 200)
    assert once_more.json() == again.json()
    assert len(shop.stripe.account.all("checkout.session")) == 1
    other = await shop.checkout(buyer, key="k1", packageId="pro")
    assert other.status_code == 409


async def test_slow_money_credits_when_it_comes_and_not_before(shop: Shop) -> None:
    buyer = await shop.buyer()
    checkout_id = await shop.opened(buyer)
    session = shop.stripe.desk.pay_checkout(checkout_id, "slow")

    page = await shop.come_back(checkout_id)
    await shop.stripe.webhooks.settled()
    await shop.drain()
    assert "still working" in page.text
    assert await shop.credits(buyer) == 0

    shop.stripe.desk.settle(session["payment_intent"], pays=True)
    await shop.stripe.webhooks.settled()
    await shop.drain()
    assert await shop.credits(buyer) == 10_000


async def test_slow_money_that_never_comes_credits_nothing(shop: Shop) -> None:
    buyer = await shop.buyer()
    checkout_id = await shop.opened(buyer)
    session = shop.stripe.desk.pay_checkout(checkout_id, "slow")
    await shop.come_back(checkout_id)
    shop.stripe.desk.settle(session["payment_intent"], pays=False)
    await shop.stripe.webhooks.settled()
    await shop.drain()

    assert await shop.credits(buyer) == 0
    assert await shop.web.db.fetchval("select state from topups") == "failed"


async def test_a_declined_card_leaves_the_page_open(shop: Shop) -> None:
    buyer = await shop.buyer()
    checkout_id = await shop.opened(buyer)
    shop.stripe.desk.pay_checkout(checkout_id, "declined")
    assert "not there yet" in (await shop.come_back(checkout_id)).text
    await shop.stripe.webhooks.settled()
    await shop.drain()
    assert await shop.credits(buyer) == 0

    shop.stripe.desk.pay_checkout(checkout_id)
    await shop.come_back(checkout_id)
    assert await shop.credits(buyer) == 10_000


async def test_a_page_that_nobody_paid_expires(shop: Shop) -> None:
    buyer = await shop.buyer()
    checkout_id = await shop.opened(buyer)
    shop.stripe.desk.expire_checkout(checkout_id)
    await shop.stripe.webhooks.settled()
    await shop.drain()

    assert await shop.web.db.fetchval("select state from topups") == "expired"
    assert await shop.credits(buyer) == 0


async def test_an_amount_of_ones_own_choice_buys_at_the_rate_of_its_currency(shop: Shop) -> None:
    await packages.set_rate(
        shop.web.db,
        currency="jpy",
        credits_per_unit=13_333_333,
        amount_min=500,
        amount_max=80_000,
    )
    buyer = await shop.buyer()

    await shop.bought(buyer, amount=750, currency="jpy")

    assert await shop.credits(buyer) == 9_999.99975
    session = shop.stripe.account.all("checkout.session")[0]
    assert (session["amount_total"], session["currency"]) == (750, "jpy")
    for amount, currency in [(499, "jpy"), (80_001, "jpy"), (499, "usd"), (750, "kwd")]:
        refused = await shop.checkout(buyer, amount=amount, currency=currency)
        assert refused.status_code == 400, refused.text


async def test_a_promotion_counts_while_it_lasts_and_for_who_opened_a_page_in_it(
    shop: Shop,
) -> None:
    now = SystemClock().now()
    await packages.promote(
        shop.web.db,
        name="Spring",
        package_id="starter",
        bonus=from_credits(2_000),
        starts_at=now - timedelta(days=1),
        ends_at=now + timedelta(days=1),
    )
    listed = (await shop.web.client.get("/api/packages")).json()["packages"]
    assert [(it["id"], it["credits"], it["bonusCredits"]) for it in listed] == [
        ("starter", 12_000, 2_000),
        ("standard", 25_000, 0),
        ("pro", 300_000, 0),
    ]
    buyer = await shop.buyer()
    checkout_id = await shop.opened(buyer)
    await shop.web.db.execute("update package_promotions set ends_at = now()")
    shop.stripe.desk.pay_checkout(checkout_id)
    await shop.come_back(checkout_id)
    await shop.bought(buyer)

    assert await shop.credits(buyer) == 22_000


async def test_credits_are_computed_here_whatever_the_browser_says(shop: Shop) -> None:
    buyer = await shop.buyer()
    for wish in (
        {"packageId": "starter", "credits": 1_000_000},
        {"packageId": "starter", "amount": 1},
        {"packageId": 1},
        {"amount": "500"},
        {"amount": 500.5},
        {"amount": -500},
        {"packageId": "starter", "currency": "USD"},
    ):
        assert (await shop.checkout(buyer, **wish)).status_code == 400, wish
    assert (await shop.checkout(buyer, packageId="nothing")).status_code == 404
    assert await shop.web.db.fetchval("select count(*) from topups") == 0


async def test_a_frozen_account_buys_nothing(shop: Shop) -> None:
    buyer = await shop.buyer()
    await shop.web.db.execute("update profiles set frozen_at = now()")

    assert (await shop.checkout(buyer)).status_code == 403
    assert shop.stripe.account.all("checkout.session") == []


async def test_a_stripe_that_is_away_costs_nothing_but_patience(shop: Shop) -> None:
    buyer = await shop.buyer()
    checkout_id = await shop.opened(buyer)
    shop.stripe.desk.pay_checkout(checkout_id)
    shop.stripe.api.trouble.next(Trouble.FAILS, times=20)

    assert "being confirmed" in (await shop.come_back(checkout_id)).text
    assert (await shop.checkout(buyer)).status_code == 503

    shop.stripe.api.trouble.clear()
    await shop.come_back(checkout_id)
    assert await shop.credits(buyer) == 10_000


async def test_a_page_of_nobody_is_not_found(shop: Shop) -> None:
    for session_id in ("cs_test_nobody", "pi_1", "cs_" + "x" * 300, "cs_é"):
        assert (await shop.come_back(session_id)).status_code == 404


async def test_refunds_and_disputes_reach_the_ledger_by_webhook(
    shop: Shop, stripe_fake: FakeStripe
) -> None:
    buyer = await shop.buyer()
    charge = await shop.bought(buyer)
    stripe_fake.desk.refund(charge, 100)
    await stripe_fake.webhooks.settled()
    await shop.drain()
    assert await shop.credits(buyer) == 8_000

    dispute = stripe_fake.desk.open_dispute(charge)
    await stripe_fake.webhooks.settled()
    await shop.drain()
    assert await shop.credits(buyer) == 0

    stripe_fake.desk.close_dispute(dispute["id"], won=True)
    await stripe_fake.webhooks.settled()
    await shop.drain()
    assert await shop.credits(buyer) == 8_000
