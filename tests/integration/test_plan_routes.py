"""The routes of plans: a page opened once, the portal, and invoices for their owner alone."""

import asyncio

import pytest

from tests.fakes.stripe.refusals import StripeRefusal
from tests.fakes.stripe_server import FakeStripe, Trouble, WebhookFaults
from tests.integration.plan_desk import Club, club, shop, stripe_fake

__all__ = ["club", "shop", "stripe_fake"]


async def test_two_tabs_open_one_page(club: Club) -> None:
    member = await club.member()
    answers = await asyncio.gather(*(club.ask(member, "starter") for _ in range(4)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["url"] for answer in answers}) == 1
    assert len(club.stripe.account.all("checkout.session")) == 1


async def test_of_two_plans_in_two_tabs_the_later_can_be_paid(club: Club) -> None:
    member = await club.member()
    first, second = await club.page(member, "starter"), await club.page(member, "pro")

    with pytest.raises(StripeRefusal):
        club.stripe.desk.pay_checkout(first)
    club.stripe.desk.pay_checkout(second)
    await club.heard()

    assert (await club.standing(member))["plan"] == "pro"
    assert len(club.stripe.account.all("subscription")) == 1
    await club.assert_the_truth(member)


async def test_of_many_plans_asked_for_at_once_one_page_is_open(club: Club) -> None:
    member = await club.member()
    wishes = ["starter", "standard", "pro", "starter", "pro"]
    answers = await asyncio.gather(*(club.ask(member, plan) for plan in wishes))

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len(club.stripe.account.all("checkout.session", status="open")) == 1
    last = await club.page(member, "standard")
    [page] = club.stripe.account.all("checkout.session", status="open")
    assert page["id"] == last


async def test_who_just_paid_in_another_tab_is_told_so(club: Club) -> None:
    """Before any webhook came."""
    member = await club.member()
    club.stripe.webhooks.misbehave(WebhookFaults(drop=1), seed=1)
    club.stripe.desk.pay_checkout(await club.page(member, "starter"))

    refused = await club.ask(member, "pro")

    assert (refused.status_code, refused.json()["code"]) == (409, "already_subscribed")
    assert (await club.standing(member))["plan"] == "starter"
    assert len(club.stripe.account.all("checkout.session")) == 1
    await club.assert_the_truth(member)


async def test_a_wish_that_is_not_sold_any_more_is_in_nobodys_way(club: Club) -> None:
    member = await club.member()
    club.stripe.api.trouble.next(Trouble.FAILS, method="POST", path="checkout", times=3)
    assert (await club.ask(member, "starter")).status_code == 503
    club.stripe.account.kept[club.prices["starter"]]["active"] = False

    assert (await club.ask(member, "pro")).status_code == 200


async def test_a_crash_after_the_order_opens_the_same_page_again(club: Club) -> None:
    member = await club.member()
    await club.page(member, "pro")
    other = await club.member()
    club.stripe.api.trouble.next(Trouble.CUTS_DONE, method="POST", path="checkout", times=3)
    first = await club.ask(other, "starter", key="one click")
    again = await club.ask(other, "starter", key="one click")

    assert (first.status_code, again.status_code) == (503, 200)
    assert len(club.stripe.account.all("checkout.session")) == 2, "one for each member"


async def test_who_has_a_plan_changes_it_in_the_portal(club: Club, stripe_fake: FakeStripe) -> None:
    member = await club.member()
    await club.subscribed(member, "starter")

    assert (await club.ask(member, "pro")).status_code == 409
    assert (await club.ask(member, "platinum")).status_code == 404
    portal = await member.post("/api/portal", "")
    assert portal.json()["url"].startswith(stripe_fake.url)
    nobody = await club.member()
    assert (await nobody.post("/api/portal", "")).status_code == 404


async def test_invoices_are_listed_with_links_for_their_owner_alone(club: Club) -> None:
    member, stranger = await club.member(), await club.member()
    await club.subscribed(member, "starter")
    await club.subscribed(stranger, "pro")

    [invoice] = (await member.get("/api/invoices")).json()["data"]
    assert (invoice["total"], invoice["amountPaid"], invoice["credits"]) == (500, 500, 11_500)
    assert invoice["url"].startswith(club.stripe.url)
    path = f"/api/invoices/{invoice['id']}"
    assert (await member.get(path)).json() == invoice
    refused = await stranger.get(path)
    assert (refused.status_code, refused.json()) == (
        404,
        (await stranger.get("/api/invoices/in_of_nobody")).json(),
    )


async def test_plans_are_shown_to_everybody(club: Club) -> None:
    answer = await club.shop.web.client.get("/api/plans")

    data = {plan["id"]: plan for plan in answer.json()["data"]}
    assert list(data) == ["free", "paid", "starter", "standard", "pro"]
    assert [plan["isOffered"] for plan in data.values()] == [False, False, True, True, True]
    assert (data["pro"]["amount"], data["pro"]["credits"]) == (7_500, 345_000)
