"""What an account may do is read from the table of plans, and ends when the money goes back."""

import json
from dataclasses import replace

import asyncpg
import pytest

from billing import plans
from billing.features import Features, features_of
from billing.money import MICRO
from billing.plans import PlanRefused
from billing.store import plans as store
from control_plane.tts.catalog import MODELS
from shared.errors import NotFound
from shared.ids import new_uuid
from tests.integration.key_desk import make_key
from tests.integration.plan_desk import Club, club, shop, stripe_fake
from tests.web_process import Caller, Web

__all__ = ["club", "shop", "stripe_fake"]

FREE = Features(
    plan_id="free",
    plan_name="Free",
    custom_characters=0,
    scenes=False,
    longer_texts=False,
    api_keys=0,
    concurrent_calls=1,
)
PAID = replace(
    FREE,
    plan_id="paid",
    plan_name="Pay as you go",
    custom_characters=10,
    scenes=True,
    longer_texts=True,
    api_keys=10,
)


async def subscribe(web: Web, caller: Caller, plan: str, *, status: str = "active") -> str:
    """As if Stripe had said so."""
    subscription = f"sub_{new_uuid().hex}"
    await web.db.execute(
        "insert into subscriptions(id, user_id, plan_id, status, cancel_at_period_end)"
        " values ($1, $2, $3, $4, false)",
        subscription,
        caller.account.user_id,
        plan,
        status,
    )
    return subscription


async def test_the_best_plan_of_an_account_counts(web: Web) -> None:
    nobody, payer = await web.account(), await web.account(paid=True)
    assert await features_of(web.db, nobody.account.user_id) == FREE
    assert await features_of(web.db, payer.account.user_id) == PAID

    subscription = await subscribe(web, payer, "pro")
    assert (await features_of(web.db, payer.account.user_id)).plan_id == "pro"
    await web.db.execute("update subscriptions set returned = true where id = $1", subscription)
    assert (await features_of(web.db, payer.account.user_id)).plan_id == "paid"
    with pytest.raises(NotFound):
        await features_of(web.db, new_uuid())


@pytest.mark.parametrize(
    ("status", "plan"),
    [
        ("active", "pro"),
        ("trialing", "pro"),
        ("past_due", "pro"),
        ("unpaid", "free"),
        ("incomplete", "free"),
        ("paused", "free"),
        ("canceled", "free"),
    ],
)
async def test_a_plan_lasts_while_stripe_runs_it(web: Web, status: str, plan: str) -> None:
    member = await web.account()
    await subscribe(web, member, "pro", status=status)
    assert (await features_of(web.db, member.account.user_id)).plan_id == plan


async def test_scenes_are_for_plans_that_have_them(web: Web) -> None:
    member = await web.account(balance=50_000)
    refused = await member.ask_for_call(sceneInstructions="At sea.")
    assert refused.status_code == 403

    await subscribe(web, member, "starter")
    assert (await member.ask_for_call(sceneInstructions="At sea.")).status_code == 200

    await web.db.execute("update plans set scenes = false where id = 'starter'")
    other = await web.account(balance=50_000)
    await subscribe(web, other, "starter")
    assert (await other.ask_for_call(sceneInstructions="At sea.")).status_code == 403


async def test_as_many_calls_at_once_as_the_plan_has(web: Web) -> None:
    member = await web.account(balance=50_000, paid=True)
    await subscribe(web, member, "standard")

    answers = [await member.ask_for_call() for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 409]


async def test_as_many_keys_as_the_plan_has(web: Web) -> None:
    member = await web.account(paid=True)
    await web.db.execute("update plans set api_keys = 1 where id = 'paid'")
    await make_key(member)

    refused = await member.post("/api/api-keys", json.dumps({"name": "another"}))
    assert (refused.status_code, refused.json()["error"]) == (
        400,
        "Maximum of 1 active API keys allowed",
    )
    await subscribe(web, member, "pro")
    await make_key(member)


async def test_longer_texts_end_when_the_money_goes_back(club: Club) -> None:
    web, member = club.shop.web, await club.member()
    voice = await web.db.fetchval("select id from voices where model = 'local' and name = 'rex'")
    model = MODELS["local"]

    async def say(characters: int) -> int:
        body = {"text": "a" * characters, "voiceId": str(voice)}
        answer = await member.post("/api/estimate-credits", json.dumps(body))
        return answer.status_code

    assert [await say(model.chars_free), await say(model.chars_free + 1)] == [200, 400]
    await club.subscribed(member, "starter")
    assert [await say(model.chars_paid), await say(model.chars_paid + 1)] == [200, 400]

    [charge] = await club.charges(member)
    club.stripe.desk.refund(charge["id"])
    await club.heard()
    assert await say(model.chars_free + 1) == 400


async def edit(db: "asyncpg.Connection[asyncpg.Record]", plan: str, **changes: object) -> None:
    async with db.transaction():
        await plans.edit(db, plan, changes)


async def test_an_operator_makes_and_changes_plans(web: Web) -> None:
    await edit(
        web.db,
        "lite",
        currency="eur",
        amount=300,
        credits=6_000 * MICRO,
        stripe_price="price_lite_1",
        rollover_months=1,
    )
    [lite] = await plans.sold(web.db)
    assert (lite.id, lite.name, lite.rank) == ("lite", "Lite", 50)
    assert (lite.api_keys, lite.scenes) == (10, True), "as the plan of who pays as they go"
    assert "300 eur for 6,000 credits a month" in plans.describe(lite)

    await edit(web.db, "lite", scenes=False)
    await edit(web.db, "lite", stripe_price="price_lite_2", credits=7_000 * MICRO)
    async with web.db.transaction():
        await plans.withdraw(web.db, "lite")
    assert await plans.sold(web.db) == []
    promised = await store.prices(web.db, ["price_lite_1", "price_lite_2"])
    assert {price.credits // MICRO for price in promised.values()} == {6_000, 7_000}


@pytest.mark.parametrize(
    ("plan", "changes", "reason"),
    [
        ("free", {"currency": "usd", "amount": 5, "credits": 1, "stripe_price": "p"}, "everybody"),
        ("lite", {"stripe_price": "price_1"}, "an amount, a currency and credits"),
        ("starter", {"stripe_price": "price_taken", "credits": 5}, "another credits"),
        ("standard", {"stripe_price": "price_taken"}, "plans_stripe_price_key"),
        ("starter", {"rank": 30}, "plans_rank_key"),
        ("starter", {"concurrent_calls": 0}, "plans_concurrent_calls_check"),
        ("Bad Name", {}, "plans_id_check"),
    ],
)
async def test_what_was_promised_or_makes_no_sense_is_refused(
    web: Web, plan: str, changes: dict[str, object], reason: str
) -> None:
    await edit(web.db, "starter", stripe_price="price_taken")
    before = await store.all_plans(web.db)

    with pytest.raises(PlanRefused, match=reason):
        await edit(web.db, plan, **changes)
    assert await store.all_plans(web.db) == before
