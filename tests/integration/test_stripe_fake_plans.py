"""Subscriptions of the fake, read through our gateway, while its clock runs."""

from dataclasses import dataclass

import pytest
import pytest_asyncio

from billing.stripe_gateway import StripeGateway
from billing.stripe_objects import CheckoutWish, Invoice
from tests.fakes.stripe.timeline import DAY_S, month_later
from tests.fakes.stripe_server import FakeStripe
from tests.integration.till_rig import stripe_fake, till

__all__ = ["stripe_fake", "till"]

JANUARY_31 = 1_769_817_600  # 2026, midnight


@dataclass(frozen=True, slots=True)
class Plan:
    """A customer whose card pays, and two monthly prices."""

    fake: FakeStripe
    till: StripeGateway
    customer: str
    price: str
    dearer: str

    async def begin(self, *, coupon: str | None = None, card: str = "pays") -> str:
        """The subscription's id, "" where the page stays open."""
        wish = CheckoutWish(
            mode="subscription",
            customer=self.customer,
            client_reference_id="u",
            line_items=[{"price": self.price, "quantity": 1}],
            metadata={"user_id": "u"},
            success_url="http://shop.test/thanks",
            cancel_url="http://shop.test/cancelled",
            coupon=coupon,
        )
        opened = await self.till.open_checkout(wish, key=card)
        self.fake.desk.pay_checkout(opened.id, card)
        return (await self.till.checkout(opened.id)).subscription or ""

    async def invoices(self) -> list[Invoice]:
        """Oldest first."""
        return list(reversed(await self.till.invoices_of(self.customer, limit=100)))

    async def status(self, subscription: str) -> str:
        return (await self.till.subscription(subscription)).status


@pytest_asyncio.fixture
async def plan(stripe_fake: FakeStripe, till: StripeGateway) -> Plan:
    customer = await till.create_customer(user_id="u", email=None, key="customer")
    price = stripe_fake.desk.price(1_000, every="month")
    dearer = stripe_fake.desk.price(7_500, every="month")
    return Plan(stripe_fake, till, customer, price, dearer)


async def test_a_plan_begins_with_a_paid_invoice(plan: Plan) -> None:
    subscription = await plan.till.subscription(await plan.begin())

    assert (subscription.status, subscription.price) == ("active", plan.price)
    assert subscription.metadata == {"user_id": "u"}
    (invoice,) = await plan.invoices()
    assert (invoice.billing_reason, invoice.status) == ("subscription_create", "paid")
    assert invoice.subscription == subscription.id
    assert [(line.price, line.amount) for line in invoice.lines] == [(plan.price, 1_000)]
    (charge,) = await plan.till.charges_of(plan.customer, limit=10)
    assert (charge.invoice, invoice.charges) == (invoice.id, (charge.id,))


async def test_a_declined_card_begins_nothing(plan: Plan) -> None:
    assert not await plan.begin(card="declined")

    assert not plan.fake.account.all("subscription")
    assert await plan.begin()


async def test_twelve_months_are_twelve_invoices(plan: Plan) -> None:
    await plan.begin()

    plan.fake.desk.advance(days=366)

    invoices = await plan.invoices()
    assert [it.billing_reason for it in invoices] == [
        "subscription_create",
        *["subscription_cycle"] * 12,
    ]
    assert {it.amount_paid for it in invoices} == {1_000}
    ends = [invoice.lines[0].period_end for invoice in invoices]
    assert [invoice.lines[0].period_start for invoice in invoices[1:]] == ends[:-1]


async def test_a_renewal_is_a_draft_for_an_hour(plan: Plan) -> None:
    subscription = await plan.till.subscription(await plan.begin())
    assert subscription.period_start
    assert subscription.period_end
    days = (subscription.period_end - subscription.period_start).days
    plan.fake.desk.advance(days=days, seconds=60)
    assert [it.status for it in await plan.invoices()] == ["paid", "draft"]

    plan.fake.desk.advance(hours=1)

    assert [it.status for it in await plan.invoices()] == ["paid", "paid"]


async def test_the_first_months_coupon_is_for_the_first_month(plan: Plan) -> None:
    await plan.begin(coupon=plan.fake.desk.coupon(percent_off=50))
    plan.fake.desk.advance(days=32)

    paid = [(it.subtotal, it.total, it.amount_paid) for it in await plan.invoices()]

    assert paid == [(1_000, 500, 500), (1_000, 1_000, 1_000)]


async def test_a_change_costs_the_difference_for_the_rest(plan: Plan) -> None:
    subscription = await plan.begin()
    plan.fake.desk.advance(days=15)

    plan.fake.desk.change_plan(subscription, plan.dearer)

    change = (await plan.invoices())[-1]
    assert change.billing_reason == "subscription_update"
    back, forth = change.lines
    assert (back.is_proration, forth.is_proration) == (True, True)
    assert (back.price, forth.price) == (plan.price, plan.dearer)
    assert back.amount == pytest.approx(-500, abs=20)
    assert forth.amount == pytest.approx(3_750, abs=130)
    assert change.amount_paid == back.amount + forth.amount


async def test_a_cheaper_plan_leaves_credit_for_later_invoices(plan: Plan) -> None:
    subscription = await plan.begin()
    plan.fake.desk.change_plan(subscription, plan.dearer)
    plan.fake.desk.change_plan(subscription, plan.price)
    plan.fake.desk.advance(days=32)

    down, renewal = (await plan.invoices())[-2:]

    assert down.total < 0
    assert (down.amount_paid, down.charges) == (0, ())
    assert (renewal.total, renewal.amount_paid, renewal.charges) == (1_000, 0, ())


async def test_waiting_prorations_come_with_the_next_invoice(plan: Plan) -> None:
    subscription = await plan.begin()
    plan.fake.desk.change_plan(subscription, plan.dearer, "create_prorations")
    assert len(await plan.invoices()) == 1

    plan.fake.desk.advance(days=32)

    renewal = (await plan.invoices())[-1]
    assert [line.is_proration for line in renewal.lines] == [True, True, False]


async def test_a_failed_renewal_recovers(plan: Plan) -> None:
    subscription = await plan.begin()
    plan.fake.desk.bank_says(plan.customer, "no_funds")
    plan.fake.desk.advance(days=32)
    assert await plan.status(subscription) == "past_due"
    assert (await plan.invoices())[-1].status == "open"

    plan.fake.desk.bank_says(plan.customer, "pays")
    plan.fake.desk.advance(days=3)

    assert await plan.status(subscription) == "active"
    recovered = (await plan.invoices())[-1]
    assert (recovered.status, len(recovered.charges)) == ("paid", 1)


async def test_a_renewal_that_is_never_paid_ends_the_plan(plan: Plan) -> None:
    subscription = await plan.begin()
    plan.fake.desk.bank_says(plan.customer, "declined")

    plan.fake.desk.advance(days=60)

    assert await plan.status(subscription) == "canceled"
    assert (await plan.invoices())[-1].status == "open"
    failed = plan.fake.account.all("charge", status="failed")
    assert len(failed) == 4


async def test_a_plan_ends_with_its_period_unless_resumed(plan: Plan) -> None:
    subscription = await plan.begin()

    plan.fake.desk.cancel_plan(subscription)
    assert (await plan.till.subscription(subscription)).cancel_at_period_end
    plan.fake.desk.resume_plan(subscription)
    plan.fake.desk.advance(days=32)
    assert await plan.status(subscription) == "active"

    plan.fake.desk.cancel_plan(subscription)
    plan.fake.desk.advance(days=32)
    assert await plan.status(subscription) == "canceled"
    assert len(await plan.invoices()) == 2


async def test_a_trial_costs_nothing_until_it_ends(plan: Plan) -> None:
    made = await plan.till.client.v1.subscriptions.create_async(
        {
            "customer": plan.customer,
            "items": [{"price": plan.price}],
            "trial_period_days": 7,
            "default_payment_method": plan.fake.desk.save_card(plan.customer)["id"],
        }
    )
    assert await plan.status(made.id) == "trialing"

    plan.fake.desk.advance(days=7, hours=2)

    assert await plan.status(made.id) == "active"
    assert [it.amount_paid for it in await plan.invoices()] == [0, 1_000]


async def test_a_plan_by_the_api_waits_for_its_first_payment(plan: Plan) -> None:
    card = plan.fake.desk.save_card(plan.customer, "asks_owner")["id"]
    made = await plan.till.client.v1.subscriptions.create_async(
        {
            "customer": plan.customer,
            "items": [{"price": plan.price}],
            "default_payment_method": card,
        }
    )
    assert await plan.status(made.id) == "incomplete"

    plan.fake.desk.advance(hours=24)

    assert await plan.status(made.id) == "incomplete_expired"


async def test_slow_money_begins_a_plan_late(plan: Plan) -> None:
    subscription = await plan.begin(card="slow")
    assert await plan.status(subscription) == "incomplete"

    plan.fake.desk.settle(plan.fake.account.all("payment_intent")[0]["id"], pays=True)

    assert await plan.status(subscription) == "active"
    assert plan.fake.account.all("checkout.session")[0]["payment_status"] == "paid"


def test_months_end_where_they_end() -> None:
    """Begun on January 31: February 28, March 31."""
    february = month_later(JANUARY_31, JANUARY_31)
    march = month_later(february, JANUARY_31)

    assert (february - JANUARY_31) / DAY_S == 28
    assert (march - february) / DAY_S == 31
