"""Prices: which one counts, which card is refused, and that a published one is never changed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio

from billing import price_book
from billing.money import MICRO
from billing.price_book import CardRefused, NotPriced, cost_of
from billing.price_file import format_card, parse_card
from billing.store import prices as store
from billing.store.prices import Rate
from shared.clock import SystemClock
from shared.db import Pool, open_pool, transaction
from shared.settings import PostgresSettings
from tests.integration.priced_work import begin_call, publish, rate, rich_account, run_call


@pytest_asyncio.fixture
async def pool(db_dsn: str) -> AsyncIterator[Pool]:
    settings = PostgresSettings.model_validate({"database_url": db_dsn})
    opened = await open_pool(settings, application_name="tests")
    yield opened
    await opened.close()


async def db_now(pool: Pool) -> datetime:
    now: datetime = await pool.fetchval("select clock_timestamp()")
    return now


async def until(pool: Pool, moment: datetime) -> None:
    deadline = SystemClock().monotonic() + 10
    while await db_now(pool) <= moment:
        assert SystemClock().monotonic() < deadline
        await asyncio.sleep(0.02)


async def price_of(pool: Pool, **wanted: str) -> int:
    async with transaction(pool) as tx:
        found = await price_book.rate_in_force(tx, **{"product": "call", **wanted})
    return found.rate.price_microcredits // MICRO


async def test_the_first_card_prices_a_call_at_1000_credits_a_minute(pool: Pool) -> None:
    user = await rich_account(pool)

    _, held = await begin_call(pool, user)

    assert (held.price_microcredits_per_minute, held.rate_card_version) == (1_000_000_000, 2)


async def test_an_exact_model_counts_more_than_a_plan_and_a_plan_more_than_a_channel(
    pool: Pool,
) -> None:
    await publish(
        pool,
        rate(whole_credits=1),
        rate(whole_credits=2, channel="api"),
        rate(whole_credits=3, plan="paid"),
        rate(whole_credits=4, plan="paid", channel="api"),
        rate(whole_credits=5, model="grok"),
        rate(whole_credits=6, model="grok", channel="api"),
    )

    found = {
        (model, plan, channel): await price_of(pool, model=model, plan=plan, channel=channel)
        for model in ("grok", "other")
        for plan in ("paid", "free")
        for channel in ("api", "web")
    }

    assert found == {
        ("grok", "paid", "api"): 6,
        ("grok", "paid", "web"): 5,
        ("grok", "free", "api"): 6,
        ("grok", "free", "web"): 5,
        ("other", "paid", "api"): 4,
        ("other", "paid", "web"): 3,
        ("other", "free", "api"): 2,
        ("other", "free", "web"): 1,
    }


async def test_a_running_call_keeps_the_price_and_the_card_it_began_with(pool: Pool) -> None:
    first, second = await rich_account(pool, "one"), await rich_account(pool, "two")
    call_id, _ = await begin_call(pool, first)

    await publish(pool, rate(whole_credits=1_200))
    _, later = await begin_call(pool, second)
    await run_call(pool, call_id, 60)

    rows = await pool.fetch(
        "select rate_card_version, cost from call_sessions where id = $1", call_id
    )
    assert [tuple(row) for row in rows] == [(2, 1_000_000_000)]
    assert (later.rate_card_version, later.price_microcredits_per_minute) == (3, 1_200_000_000)


async def test_a_call_is_priced_by_its_model_and_the_plan_of_its_account(pool: Pool) -> None:
    await publish(
        pool, rate(), rate(whole_credits=800, plan="paid"), rate(whole_credits=700, model="small")
    )
    free, paid = await rich_account(pool, "free"), await rich_account(pool, "paid", paid=True)

    _, of_free = await begin_call(pool, free)
    _, of_paid = await begin_call(pool, paid)
    _, of_small = await begin_call(pool, await rich_account(pool, "third"), model="small")

    prices_now = [held.price_microcredits_per_minute for held in (of_free, of_paid, of_small)]
    assert prices_now == [1_000_000_000, 800_000_000, 700_000_000]


async def test_a_card_counts_from_its_date_by_the_clock_of_the_database(pool: Pool) -> None:
    soon = await db_now(pool) + timedelta(seconds=2)
    await publish(pool, rate(whole_credits=1_300), at=soon)
    price_before, is_before = await price_of(pool), await db_now(pool) < soon

    await until(pool, soon)

    assert price_before == 1_000
    assert is_before, "the machine was too slow for this test to see the time before"
    assert await price_of(pool) == 1_300


async def test_a_newer_card_takes_the_place_of_one_that_was_planned(pool: Pool) -> None:
    """Otherwise the withdrawn price would come back at a date everybody has forgotten."""
    soon = await db_now(pool) + timedelta(seconds=1)
    await publish(pool, rate(whole_credits=9_999), at=soon)
    await publish(pool, rate(whole_credits=1_100))

    await until(pool, soon)

    assert await price_of(pool) == 1_100


async def test_work_without_a_price_is_refused(pool: Pool) -> None:
    await publish(pool, rate())

    with pytest.raises(NotPriced):
        await price_of(pool, product="speech")


@pytest.mark.parametrize("table", ["rate_cards", "rates"])
@pytest.mark.parametrize(
    "change", ["update {} set version = version", "delete from {}", "truncate {} cascade"]
)
async def test_the_book_refuses_every_change(pool: Pool, table: str, change: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await pool.execute(change.format(table))


async def test_no_rate_is_added_to_a_published_card(pool: Pool) -> None:
    async with transaction(pool) as tx:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="complete"):
            await store.insert_rates(tx, version=1, rates=[rate(model="new")])


async def test_publishers_at_once_get_a_card_each(pool: Pool) -> None:
    cards = await asyncio.gather(*(publish(pool, rate(whole_credits=n)) for n in range(1, 9)))

    assert sorted(card.version for card in cards) == [3, 4, 5, 6, 7, 8, 9, 10]
    starts = [card.effective_from for card in sorted(cards, key=lambda card: card.version)]
    assert starts == sorted(starts)


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ([rate(whole_credits=0)], "price must be more than zero"),
        ([rate(whole_credits=-5)], "price must be more than zero"),
        ([rate(whole_credits=100_001)], "price is beyond 100,000 credits"),
        ([rate(), rate(whole_credits=2)], "priced more than once"),
        ([rate(plan="payed")], "plan is none of"),
        ([rate(channel="telegraph")], "channel is none of"),
        ([rate(), rate("dance")], "product is none of"),
        ([rate(), rate("speech", unit="word")], "unit is none of"),
        ([rate(), rate("speech", model="grok-*")], "model is '*' or a model's exact name"),
        ([rate(), rate("speech", model="")], "model is '*' or a model's exact name"),
        ([rate(unit="second")], "calls, and only calls, are priced by the minute"),
        ([rate(), rate("speech", unit="minute")], "calls, and only calls"),
        ([rate(per_units=2)], "a call has no minimum and no bundle"),
        ([rate(minimum_microcredits=1)], "a call has no minimum and no bundle"),
        ([rate(), rate("speech", per_units=0)], "per must be 1 to 1,000,000"),
        ([rate(), rate("speech", minimum_microcredits=-1)], "minimum must be 0 to"),
        ([rate(model="only-this")], "call: needs a rate for every model"),
        ([rate()] + [rate("speech", model=f"m{n}") for n in range(1_000)], "more than 1,000 rates"),
    ],
)
async def test_a_wrong_card_is_refused_and_nothing_is_published(
    pool: Pool, bad: list[Rate], problem: str
) -> None:
    with pytest.raises(CardRefused) as refused:
        await publish(pool, *bad)

    assert problem in refused.value.message
    assert await pool.fetchval("select max(version) from rate_cards") == 2


async def test_a_card_never_begins_in_the_past(pool: Pool) -> None:
    with pytest.raises(CardRefused, match="in the past"):
        await publish(pool, rate(), at=await db_now(pool) - timedelta(seconds=1))
    with pytest.raises(CardRefused, match="offset"):
        await publish(pool, rate(), at=datetime(2999, 1, 1))  # noqa: DTZ001 - the point


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("price = ", "not TOML"),
        ("", r"must consist of \[\[rate\]\] tables"),
        ("title = 1\n[[rate]]\n", r"must consist of \[\[rate\]\] tables"),
        ('[[rate]]\nproduct = "call"\nunit = "minute"\nprice = 10.5', "10.5 is a float"),
        ('[[rate]]\nproduct = "call"\nunit = "minute"\nprice = nan', "nan is a float"),
        ('[[rate]]\nproduct = "call"\nunit = "minute"\nprice = "0.1234567"', "price must be"),
        ('[[rate]]\nproduct = "call"\nunit = "minute"\nprice = true', "price must be credits"),
        ('[[rate]]\nproduct = "call"\nunit = "minute"\nprice = "1e3"', "price must be credits"),
        ('[[rate]]\nproduct = "call"\nunit = "minute"', "price is missing"),
        ('[[rate]]\nproduct = "call"\nunit = "minute"\nprice = 1\nprise = 2', "unknown key prise"),
        ('[[rate]]\nproduct = 1\nunit = "minute"\nprice = 1', "product must be text"),
        ('[[rate]]\nproduct = "speech"\nunit = "token"\nprice = 1\nper = "k"', "per must be"),
        ("rate = [1]", "rate 1: must be a table"),
    ],
)
def test_a_wrong_file_is_refused_with_its_reason(text: str, problem: str) -> None:
    with pytest.raises(CardRefused, match=problem):
        parse_card(text)


def test_a_card_survives_being_written_and_read() -> None:
    rates = [
        rate(),
        rate("speech", model="a/b:1.0", price_microcredits=240_000, per_units=1_000),
        rate("clone", plan="paid", channel="api", minimum_microcredits=5_000_001, unit="token"),
    ]

    assert parse_card(format_card(rates)) == rates


@pytest.mark.parametrize(
    ("priced", "quantity", "microcredits"),
    [
        (rate(), 90, 1_500_000_000),
        (rate("speech", price_microcredits=1, per_units=1_000), 1, 1),
        (rate("speech", price_microcredits=1, per_units=1_000), 1_001, 2),
        (rate("speech", 4), 1_234, 4_936_000_000),
        (rate("speech", 4, minimum_microcredits=100 * MICRO), 3, 100 * MICRO),
        (rate("speech", 100_000), 10_000_000, 10**18),
    ],
)
async def test_python_and_sql_agree_on_the_cost(
    pool: Pool, priced: Rate, quantity: int, microcredits: int
) -> None:
    sql = "select generation_cost($1, $2, $3, $4)"
    if priced.product == "call":
        in_sql = await pool.fetchval(
            "select call_cost($1, $2)", priced.price_microcredits, quantity
        )
    else:
        in_sql = await pool.fetchval(
            sql,
            priced.price_microcredits,
            priced.per_units,
            priced.minimum_microcredits,
            quantity,
        )

    assert cost_of(priced, quantity) == in_sql == microcredits
