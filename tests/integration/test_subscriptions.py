"""Plans: paid for by the month, granted by the invoice, gone when the money goes back."""

import asyncio
import random
from datetime import UTC, datetime

import pytest

from billing import plans
from billing.invoice_credits import RENEWAL_GRACE, PriceUnknown, months_later
from billing.money import MICRO
from billing.stripe_gateway import StripeGateway
from billing.subscriptions import sync_invoice, sync_subscription
from tests.fakes.stripe_server import WebhookFaults
from tests.integration.plan_desk import Club, club, shop, stripe_fake
from tests.integration.till_rig import till
from tests.web_process import Caller

__all__ = ["club", "shop", "stripe_fake", "till"]


async def grants(club: Club, member: object) -> list[tuple[str, float]]:
    rows = await club.db.fetch(
        "select kind, amount from credit_transactions where user_id = $1 order by id",
        member.account.user_id,  # type: ignore[attr-defined]  # a Caller
    )
    return [(row["kind"], row["amount"] / MICRO) for row in rows]


async def test_the_first_month_is_granted_when_its_invoice_is_paid(club: Club) -> None:
    member = await club.member()
    checkout = await club.page(member, "standard")
    assert await grants(club, member) == []

    club.stripe.desk.pay_checkout(checkout)
    await club.heard()

    assert await grants(club, member) == [("subscription_grant", 28_750)]
    standing = await club.standing(member)
    assert (standing["plan"], standing["isPaid"]) == ("standard", True)
    assert standing["features"]["concurrentCalls"] == 2
    assert standing["subscriptions"][0]["status"] == "active"
    await club.assert_the_truth(member)


async def test_whoever_comes_back_before_the_webhooks_has_the_credits(club: Club) -> None:
    member = await club.member()
    checkout = await club.page(member, "starter")
    club.stripe.desk.pay_checkout(checkout)

    answer = await member.post("/api/subscription/refresh", "")

    assert answer.json()["plan"] == "starter"
    assert await grants(club, member) == [("subscription_grant", 11_500)]
    page = await club.shop.come_back(checkout)
    assert page.status_code == 200
    await club.heard()
    await club.assert_the_truth(member)


async def test_a_created_subscription_grants_nothing_before_it_is_paid(club: Club) -> None:
    member = await club.member()
    club.stripe.desk.pay_checkout(await club.page(member, "pro"), "declined")
    await club.heard()

    assert await grants(club, member) == []
    assert (await club.standing(member))["plan"] == "free"
    await club.assert_the_truth(member)


async def test_a_year_with_a_change_a_failure_a_recovery_and_an_end(club: Club) -> None:
    """Twelve renewals; each invoice grants once, and the ledger is what Stripe says."""
    member = await club.member()
    subscription = await club.subscribed(member, "starter")
    customer = await club.customer(member)
    for month in range(12):
        if month == 3:
            club.stripe.desk.change_plan(subscription, club.prices["standard"])
        if month == 6:
            club.stripe.desk.bank_says(customer, "declined")
        await club.advance(days=31)
        if month == 6:
            assert (await club.standing(member))["subscriptions"][0]["status"] == "past_due"
            assert (await club.standing(member))["plan"] == "standard"
            club.stripe.desk.bank_says(customer, "pays")
            await club.advance(days=8)
        if month == 9:
            club.stripe.desk.cancel_plan(subscription)
            await club.heard()
            assert (await club.standing(member))["subscriptions"][0]["cancelAtPeriodEnd"] is True
            club.stripe.desk.resume_plan(subscription)
        await club.assert_the_truth(member)
    club.stripe.desk.cancel_plan(subscription)
    await club.advance(days=32)

    paid = [invoice for invoice in await club.invoices(member) if invoice["status"] == "paid"]
    assert len(paid) >= 14, "the first, twelve renewals, and the change"
    assert len(await grants(club, member)) == len(paid)
    standing = await club.standing(member)
    assert standing["subscriptions"][0]["status"] == "canceled"
    assert (standing["plan"], standing["isPaid"]) == ("paid", True)
    await club.shop.stripe.webhooks.resend_all()
    await club.shop.drain()
    assert len(await grants(club, member)) == len(paid)
    await club.assert_the_truth(member)


async def test_a_change_to_more_grants_the_difference_of_what_is_left(club: Club) -> None:
    member = await club.member()
    subscription = await club.subscribed(member, "starter")
    await club.advance(days=15)

    club.stripe.desk.change_plan(subscription, club.prices["pro"])
    await club.heard()

    [_, second] = await grants(club, member)
    assert second[0] == "subscription_grant"
    assert 150_000 < second[1] < 190_000, "half a month of pro, less half a month of starter"
    assert (await club.standing(member))["plan"] == "pro"
    await club.assert_the_truth(member)


async def test_a_change_to_less_takes_back_what_stripe_keeps_as_a_balance(club: Club) -> None:
    """Otherwise its balance would buy the same credits a second time."""
    member = await club.member()
    subscription = await club.subscribed(member, "pro")
    await club.advance(days=1)

    club.stripe.desk.change_plan(subscription, club.prices["starter"])
    await club.heard()

    [_, back] = await grants(club, member)
    assert back[0] == "refund"
    assert -335_000 < back[1] < -310_000
    await club.assert_the_truth(member)

    # A year later the balance has paid for many small months, each granted.
    for _ in range(12):
        await club.advance(days=31)
    assert len(await club.charges(member)) == 1, "the balance paid"
    await club.assert_the_truth(member)
    assert (await club.standing(member))["isPaid"] is True


async def test_a_coupon_makes_the_first_month_cheaper_and_not_smaller(club: Club) -> None:
    coupon = club.stripe.desk.coupon(percent_off=50)
    await plans.edit(
        club.db, "starter", {"first_month_coupon": coupon, "first_month_percent_off": 50}
    )
    member = await club.member()
    subscription = await club.subscribed(member, "starter")
    await club.advance(days=31)

    charges = await club.charges(member)
    assert [charge["amount"] for charge in charges] == [500, 250]
    assert await grants(club, member) == [("subscription_grant", 11_500)] * 2
    await club.assert_the_truth(member)

    club.stripe.desk.cancel_plan(subscription, at_once=True)
    await club.heard()
    await club.subscribed(member, "starter")
    assert (await club.charges(member))[0]["amount"] == 500, "no coupon for who had a plan before"


async def test_a_free_first_month_is_granted_and_does_not_make_a_payer(club: Club) -> None:
    coupon = club.stripe.desk.coupon(percent_off=100)
    await plans.edit(
        club.db, "starter", {"first_month_coupon": coupon, "first_month_percent_off": 100}
    )
    member = await club.member()
    await club.subscribed(member, "starter")

    assert await grants(club, member) == [("subscription_grant", 11_500)]
    standing = await club.standing(member)
    assert (standing["plan"], standing["isPaid"]) == ("starter", False)
    await club.advance(days=31)
    assert (await club.standing(member))["isPaid"] is True
    await club.assert_the_truth(member)


async def test_a_trial_gives_features_and_no_credits(club: Club, till: StripeGateway) -> None:
    member = await club.member()
    await club.page(member, "pro")  # who makes a customer
    await _trial(club, till, await club.customer(member))
    await club.heard()

    standing = await club.standing(member)
    assert (standing["plan"], standing["isPaid"]) == ("pro", False)
    assert await grants(club, member) == []

    await club.advance(days=15)
    assert await grants(club, member) == [("subscription_grant", 345_000)]
    await club.assert_the_truth(member)


async def _trial(club: Club, till: StripeGateway, customer: str) -> None:
    method = club.stripe.desk.save_card(customer)
    await till.client.v1.subscriptions.create_async(
        {
            "customer": customer,
            "items": [{"price": club.prices["pro"]}],
            "trial_period_days": 14,
            "default_payment_method": method["id"],
        }
    )


async def test_a_refund_takes_the_credits_and_the_plan_with_it(club: Club) -> None:
    member = await club.member()
    await club.subscribed(member, "pro")
    [charge] = await club.charges(member)

    club.stripe.desk.refund(charge["id"], 2_500)
    await club.heard()
    assert await grants(club, member) == [("subscription_grant", 345_000), ("refund", -115_000)]
    assert (await club.standing(member))["plan"] == "pro"

    club.stripe.desk.refund(charge["id"])
    await club.heard()
    standing = await club.standing(member)
    assert (standing["plan"], standing["isPaid"]) == ("free", False)
    assert standing["subscriptions"][0]["isReturned"] is True
    assert await club.net(member) == 0
    await club.assert_the_truth(member)

    await club.advance(days=31)
    assert (await club.standing(member))["plan"] == "pro", "the next month was paid"
    await club.assert_the_truth(member)


async def test_a_dispute_takes_them_at_once_and_a_won_one_gives_them_back(club: Club) -> None:
    member = await club.member()
    await club.subscribed(member, "standard")
    [charge] = await club.charges(member)

    dispute = club.stripe.desk.open_dispute(charge["id"])
    await club.heard()
    assert (await club.standing(member))["plan"] == "free"
    assert await club.net(member) == 0

    club.stripe.desk.close_dispute(dispute["id"], won=True)
    await club.heard()
    standing = await club.standing(member)
    assert (standing["plan"], standing["isPaid"]) == ("standard", True)
    await club.assert_the_truth(member)


async def test_a_month_that_is_never_paid_ends_the_plan_and_grants_nothing(club: Club) -> None:
    member = await club.member()
    await club.subscribed(member, "standard")
    club.stripe.desk.bank_says(await club.customer(member), "no_funds")
    for _ in range(4):
        await club.advance(days=15)

    assert await grants(club, member) == [("subscription_grant", 28_750)]
    standing = await club.standing(member)
    assert standing["subscriptions"][0]["status"] == "canceled"
    assert standing["plan"] == "paid"
    await club.assert_the_truth(member)


async def test_a_price_that_no_plan_promised_is_reported_and_cured_by_the_operator(
    club: Club, till: StripeGateway
) -> None:
    member = await club.member()
    subscription = await club.subscribed(member, "starter")
    strange = club.stripe.desk.price(7_500, every="month")
    club.stripe.desk.change_plan(subscription, strange)
    await club.heard()

    [newest, *_] = await club.invoices(member)
    with pytest.raises(PriceUnknown):
        await sync_invoice(club.shop.web.app.state.services.pool, till, newest["id"])
    assert len(await grants(club, member)) == 1
    assert (await club.standing(member))["plan"] == "paid"

    await plans.edit(club.db, "pro", {"stripe_price": strange})
    await club.shop.drain()
    await sync_subscription(club.shop.web.app.state.services.pool, till, subscription)
    assert len(await grants(club, member)) == 2
    assert (await club.standing(member))["plan"] == "pro"


@pytest.mark.parametrize("seed", range(4))
async def test_any_webhooks_in_any_order_end_in_the_truth(club: Club, seed: int) -> None:
    """Months, changes, refunds, disputes; webhooks shuffled, doubled, lost; a worker killed."""
    dice = random.Random(seed)
    faults = WebhookFaults(drop=0.3, duplicate=0.3, reorder=0.3, forge=0.1, fail=0.2)
    club.stripe.webhooks.misbehave(faults, seed=seed)
    members = [await club.member() for _ in range(3)]
    subscriptions = {}
    for member in members:
        page = await club.page(member, dice.choice(["starter", "standard", "pro"]))
        subscriptions[member.account.user_id] = club.stripe.desk.pay_checkout(page)["subscription"]
    for _ in range(8):
        member = dice.choice(members)
        await _something_happens(club, dice, member, subscriptions[member.account.user_id])
        club.stripe.desk.advance(days=dice.choice([3, 17, 31]))
        if dice.random() < 0.5:
            await _two_workers_of_whom_one_is_killed(club, dice)
    await club.stripe.webhooks.settled()
    await club.shop.inbox.sweep()  # what was lost is found in the list of events
    await _resend_old(club)
    await club.shop.drain()

    for member in members:
        await club.assert_the_truth(member)
        assert await club.net(member) != 0 or await club.truth(member) == 0


async def _two_workers_of_whom_one_is_killed(club: Club, dice: random.Random) -> None:
    killed = asyncio.create_task(club.shop.inbox.round())
    other = asyncio.create_task(club.shop.inbox.round())
    await asyncio.wait({killed}, timeout=dice.random() / 10)
    killed.cancel()
    await asyncio.gather(killed, other, return_exceptions=True)


async def _resend_old(club: Club) -> None:
    """The sweep reaches back three days; what is older was heard in its own time."""
    club.stripe.webhooks.misbehave(WebhookFaults(), seed=0)
    await club.stripe.webhooks.resend_all()
    await club.stripe.webhooks.settled()


async def _something_happens(
    club: Club, dice: random.Random, member: object, subscription: str
) -> None:
    desk = club.stripe.desk
    charges = await club.charges(member)  # type: ignore[arg-type]  # a Caller
    charge = dice.choice(charges)
    left = charge["amount"] - charge["amount_refunded"]
    what = dice.choice(["change", "refund", "dispute", "cancel", "resume", "fail", "recover"])
    is_running = club.stripe.account.kept[subscription]["status"] in {"active", "past_due"}
    if what == "change" and is_running:
        desk.change_plan(subscription, club.prices[dice.choice(list(club.prices))])
    elif what == "refund" and left and not charge["disputed"]:
        desk.refund(charge["id"], dice.randint(1, left))
    elif what == "dispute" and not charge["disputed"] and left == charge["amount"]:
        dispute = desk.open_dispute(charge["id"])
        if dice.random() < 0.5:
            desk.close_dispute(dispute["id"], won=dice.random() < 0.5)
    elif what in {"cancel", "resume"} and is_running:
        (desk.cancel_plan if what == "cancel" else desk.resume_plan)(subscription)
    elif what in {"fail", "recover"}:
        desk.bank_says(charge["customer"], "declined" if what == "fail" else "pays")


async def test_what_a_plan_grants_ends_when_its_rollover_says(club: Club) -> None:
    new_price = club.stripe.desk.price(500, every="month")
    await plans.edit(club.db, "starter", {"stripe_price": new_price, "rollover_months": 1})
    member = await club.member()
    subscription = await club.subscribed(member, "starter")

    ends = await club.db.fetchval(
        "select expires_at from credit_lots where user_id = $1", member.account.user_id
    )
    item = club.stripe.account.kept[subscription]["items"]["data"][0]
    period_end = datetime.fromtimestamp(item["current_period_end"], UTC)
    assert ends == months_later(period_end, 1) + RENEWAL_GRACE


async def lots_of(club: Club, member: Caller) -> list[tuple[int, datetime]]:
    rows = await club.db.fetch(
        "select remaining, expires_at from credit_lots where user_id = $1 and is_open"
        " order by expires_at, remaining",
        member.account.user_id,
    )
    return [(row["remaining"] // MICRO, row["expires_at"]) for row in rows]


async def test_a_renewal_keeps_as_much_of_the_rest_as_its_plan_allows(club: Club) -> None:
    new_price = club.stripe.desk.price(500, every="month")
    rules = {"rollover_months": 0, "rollover_credits": 3_000 * MICRO}
    await plans.edit(club.db, "starter", {"stripe_price": new_price, **rules})
    member = await club.member()
    subscription = await club.subscribed(member, "starter")
    [(whole, first_end)] = await lots_of(club, member)
    assert whole == 11_500

    await club.advance(days=31)
    [*_, (_, second_end)] = kept = await lots_of(club, member)
    assert second_end > first_end
    assert kept == [(8_500, first_end), (3_000, second_end), (11_500, second_end)]

    await club.stripe.webhooks.resend_all()
    await club.shop.drain()
    assert await lots_of(club, member) == kept, "once a renewal, however often it is heard of"

    club.stripe.desk.change_plan(subscription, club.prices["pro"])
    await club.heard()
    changed = await lots_of(club, member)
    assert changed[:2] == kept[:2], "a change in the middle of a month renews nothing"
    await club.assert_the_truth(member, extra={new_price: (500, 11_500)})
