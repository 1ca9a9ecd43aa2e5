"""What a minute costs by telephone: by prefix, plan and model, told before, kept while it lasts."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from billing import price_book
from billing.money import from_credits
from billing.store.prices import Rate
from tests.integration.phone_rig import PIN, Phone, a_number, verified
from tests.integration.test_phone_desk import NOWHERE
from tests.web_process import Web, running_web, web_settings

CHEAP, DEAR = "grok-voice-think-fast-1.0", "grok-voice-think-fast-2.0"
FROZEN = "select price_microcredits_per_minute from call_sessions where id = $1::uuid"


@pytest_asyncio.fixture
async def web(db_dsn: str) -> AsyncIterator[Web]:
    async with running_web(web_settings(db_dsn, NOWHERE)) as running:
        yield running


def rate(channel: str, credits_: float, *, model: str = "*", plan: str = "*") -> Rate:
    return Rate("call", model, plan, channel, "minute", round(credits_ * 1_000_000), 1, 0)


async def publish(web: Web, *rates: Rate) -> None:
    async with web.db.transaction():
        await price_book.publish(
            web.db, rates, effective_from=None, published_by="test", reason="phones"
        )


async def told(web: Web, number: str) -> int:
    price: int = (await Phone(web, number).greeted())["credits_per_minute"]
    return price


@pytest.mark.parametrize(
    ("number", "credits_"),
    [
        ("+15550100", 1200),  # a prefix that the book does not have
        ("+4930123456", 1300),
        ("+4915123456", 1500),  # the longest counts
        ("+4015123456", 1200),
        ("hidden", 1200),
        ("4915123456", 1500),  # as some trunks write it
        ("0" * 60, 1200),
    ],
)
async def test_the_longest_prefix_of_the_caller_s_number_counts(
    web: Web, number: str, credits_: int
) -> None:
    await publish(
        web,
        rate("*", 1000),
        rate("phone", 1200),
        rate("phone:+49", 1300),
        rate("phone:+4915", 1500),
    )
    assert await told(web, number) == credits_
    page = await price_book.rate_in_force(web.db, product="call", plan="paid", channel="web")
    assert page.rate.price_microcredits == from_credits(1000)


async def test_without_a_price_for_telephones_they_cost_what_the_page_costs(web: Web) -> None:
    await publish(web, rate("*", 1000), rate("web", 900))
    assert await told(web, a_number()) == 1000


async def test_a_part_of_a_credit_is_told_as_a_whole_one(web: Web) -> None:
    await publish(web, rate("*", 1000), rate("phone", 0.2))
    assert await told(web, a_number()) == 1


async def test_a_customer_is_told_the_price_of_their_plan_and_pays_it(web: Web) -> None:
    await publish(web, rate("*", 1000), rate("phone", 1200), rate("phone", 800, plan="paid"))
    phone = await verified(await web.account(balance=100_000, paid=True))
    assert (await phone.greeted())["credits_per_minute"] == 800
    placed = await phone.calls()
    assert await web.db.fetchval(FROZEN, placed["call_id"]) == from_credits(800)
    assert await told(web, a_number()) == 1200


async def test_a_character_whose_model_costs_more_has_its_price_told_on_the_menu(
    web: Web,
) -> None:
    await publish(web, rate("*", 1000), rate("*", 2500, model=DEAR))
    phone = await verified(await web.account(balance=100_000, paid=True))
    assert (await phone.greeted())["credits_per_minute"] == 1000
    lily = await web.db.fetchval("select id::text from characters where name = 'Lily'")
    await web.db.execute(
        "update characters set session_config = session_config || $2::jsonb where id = $1::uuid",
        lily,
        json.dumps({"model": DEAR}),
    )
    verdict = await phone.enters(PIN)
    prices = {each["id"]: each["credits_per_minute"] for each in verdict["characters"]}
    assert prices.pop(lily) == 2500
    assert {*prices.values()} == {1000}
    told = {"character": lily, "credits_per_minute_max": 2500}
    placed = await phone.asks_for_call(verdict["entry_id"], **told)
    assert await web.db.fetchval(FROZEN, placed["call_id"]) == from_credits(2500)


async def test_nobody_pays_more_than_they_were_told_when_the_price_list_changes_meanwhile(
    web: Web,
) -> None:
    await publish(web, rate("*", 1000))
    phone = await verified(await web.account(balance=100_000, paid=True))
    verdict = await phone.enters(PIN)
    await publish(web, rate("*", 1500))
    placed = await phone.asks_for_call(verdict["entry_id"], credits_per_minute_max=1000)
    assert placed == {"outcome": "expired", "call_id": None}
    assert await web.db.fetchval("select count(*) from call_sessions") == 0
    assert (await phone.calls(credits_per_minute_max=1500))["outcome"] == "call"


async def test_a_new_price_list_leaves_a_call_that_goes_on_at_the_price_agreed_on(
    web: Web,
) -> None:
    await publish(web, rate("*", 1000), rate("phone:+49", 1200))
    phone = await verified(await web.account(balance=100_000, paid=True))
    placed = await phone.calls()
    start = {"worker_id": "w1", "job_id": "j1"}
    epoch = (await web.internal(f"/calls/{placed['call_id']}/start", start)).json()["epoch"]
    await publish(web, rate("*", 9000), rate("phone:+49", 9000))
    await web.db.execute(  # a minute ago: nobody is billed more than has passed
        "update call_sessions set authorized_at = authorized_at - interval '1 minute',"
        " answered_at = answered_at - interval '1 minute' where id = $1::uuid",
        placed["call_id"],
    )
    close = {
        "worker_id": "w1",
        "epoch": epoch,
        "seconds": 30,
        "reason": "caller_hangup",
        "source": "agent",
    }
    closed = await web.internal(f"/calls/{placed['call_id']}/close", close)
    assert closed.json()["seconds"] == 30
    cost = "select cost from call_sessions where id = $1::uuid"
    assert await web.db.fetchval(cost, placed["call_id"]) == from_credits(600)
    assert (await phone.greeted())["credits_per_minute"] == 9000
