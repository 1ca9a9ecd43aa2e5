"""Charges under concurrency, and proof that the books would notice a step left out."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from billing import generation_charges as charges
from billing.generation_charges import (
    CannotAfford,
    ChargeReleased,
    Reservation,
)
from billing.store.generation_charges import Charge
from shared.db import open_pool, transaction
from shared.settings import PostgresSettings
from tests.integration.charge_desk import Desk, Money
from tests.integration.priced_work import begin_call
from tests.properties.weakened import patch


@pytest_asyncio.fixture
async def desk(db_dsn: str) -> AsyncIterator[Desk]:
    settings = PostgresSettings.model_validate({"database_url": db_dsn, "database_pool_max": 20})
    pool = await open_pool(settings, application_name="tests")
    yield Desk(pool)
    await pool.close()


async def test_fifty_reserves_at_once_never_hold_more_than_there_is(desk: Desk) -> None:
    user = await desk.account(1_000)

    answers = await asyncio.gather(
        *(desk.reserve(user, 48) for _ in range(50)), return_exceptions=True
    )

    assert Counter(type(answer) for answer in answers) == {Reservation: 20, CannotAfford: 30}
    assert await desk.money(user) == Money(1_000, 960, 0)
    assert await desk.violations() == set()


async def test_the_same_request_twenty_times_at_once_is_one_charge(desk: Desk) -> None:
    user = await desk.account(1_000)

    answers = await asyncio.gather(*(desk.reserve(user, 100, key="same") for _ in range(20)))

    assert len({answer.charge.id for answer in answers}) == 1
    assert sum(answer.is_new for answer in answers) == 1
    assert await desk.money(user) == Money(1_000, 100, 0)


async def test_expiry_racing_settle_ends_each_charge_in_one_way(desk: Desk) -> None:
    """Expiry takes the oldest first, settles come from the other end, and they meet."""
    users = [await desk.account(1_000, f"user-{n}") for n in range(25)]
    made = [(await desk.reserve(user, 10)).charge for _ in range(8) for user in users]
    await desk.make_overdue()
    await asyncio.gather(*(desk.pool.fetchval("select pg_sleep(0.1)") for _ in range(6)))  # connect
    ended: Counter[str] = Counter()

    async def settle(mine: list[Charge]) -> None:
        for charge in mine:
            try:
                outcome = (await desk.settle(charge, 10)).state
            except ChargeReleased:
                outcome = "too late"
            ended[outcome] += 1

    async def expire() -> None:
        while ended["settled"] + ended["released"] < len(made):
            expired = await desk.expire(limit=1)
            ended["released"] += len(expired)

    newest_first = made[::-1]
    async with asyncio.timeout(60):
        await asyncio.gather(expire(), expire(), *(settle(newest_first[n::4]) for n in range(4)))

    rows = await desk.pool.fetch("select state, count(*) from generation_charges group by state")
    in_database = {row["state"]: row["count"] for row in rows}
    assert in_database == {"settled": ended["settled"], "released": ended["released"]}
    assert ended["too late"] == ended["released"]
    assert (await desk.money(users[0])).reserved == 0
    assert await desk.violations() == set()


async def test_a_settle_that_waited_for_an_expiry_sees_it(desk: Desk) -> None:
    """The state is read after the locks are held, not before."""
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 10)).charge
    await desk.make_overdue()

    async with transaction(desk.pool) as tx:
        await tx.execute("select 1 from credits where user_id = $1 for no key update", user)
        settle = asyncio.create_task(desk.settle(charge, 10))
        await _until_somebody_waits_for_a_lock(desk)
        [expired] = await charges.expire(tx)
    with pytest.raises(ChargeReleased):
        await settle

    assert expired.id == charge.id
    assert await desk.money(user) == Money(1_000, 0, 0)
    assert await desk.violations() == set()


async def _until_somebody_waits_for_a_lock(desk: Desk) -> None:
    async with asyncio.timeout(10):
        while not await desk.pool.fetchval(
            "select count(*) from pg_stat_activity "
            "where datname = current_database() and wait_event_type = 'Lock'"
        ):
            await asyncio.sleep(0.01)


async def test_no_order_of_work_deadlocks(desk: Desk) -> None:
    """Reserves, settles, releases, expiries and settles of calls cross each other's accounts."""
    users = [await desk.account(50_000, f"user-{n}") for n in range(6)]
    call_ids = [(await begin_call(desk.pool, user))[0] for user in users]

    async def work(number: int) -> None:
        for round_ in range(15):
            charge = (await desk.reserve(users[(number + round_) % 6], 10)).charge
            if (number + round_) % 3 == 0:
                await desk.settle(charge, 5)
            elif (number + round_) % 3 == 1:
                await desk.release(charge)

    async def settle_calls(*, backwards: bool) -> None:
        ids = call_ids[::-1] if backwards else call_ids
        for _ in range(40):
            await desk.pool.fetch(
                "select 1 from calls_settle_v2($1, $2, $3, 30, 15)", ids, [0] * 6, [0] * 6
            )

    async def expire() -> None:
        for _ in range(40):
            await desk.pool.execute(
                "update generation_charges set expires_at = created_at where id in ("
                "select id from generation_charges where state = 'reserved' limit 5 "
                "for no key update skip locked)"
            )
            await desk.expire(limit=10)

    async def work_until_lost(number: int) -> None:
        with contextlib.suppress(ChargeReleased):  # an expiry was faster
            await work(number)

    await asyncio.gather(
        *(work_until_lost(number) for number in range(8)),
        settle_calls(backwards=False),
        settle_calls(backwards=True),
        expire(),
        expire(),
    )
    await _expire_the_same_accounts_at_once(desk, users)

    assert (
        await desk.pool.fetchval("select count(*) from generation_charges where state = 'reserved'")
        == 0
    )
    assert await desk.violations() == set()


async def _expire_the_same_accounts_at_once(desk: Desk, users: list[UUID]) -> None:
    for _ in range(5):
        for number in range(36):
            await desk.reserve(users[number % 6], 10)
        await desk.make_overdue()
        await asyncio.gather(*(desk.expire(limit=4) for _ in range(8)))
    await desk.expire()


@pytest.mark.parametrize(
    ("old", "new", "violation"),
    [
        (
            "update credits set reserved = reserved + h where user_id = p_user;",
            "",
            "I5 reserved = open holds",
        ),
        (
            "values (u, 'generation', -c.cost, p_charge, 'generation', p_charge::text);",
            "values (u, 'generation', -c.cost, null, 'generation', p_charge::text);",
            "I3 a settled charge has one debit of its cost",
        ),
        (
            "balance = balance - p_cost,",
            "balance = balance,",
            "I4 balance = ledger + debt",
        ),
        ("      r.version, r.price", "      99, r.price", "I14 a price is from a rate card"),
    ],
)
async def test_the_books_notice_when_a_step_is_left_out(
    desk: Desk, db_dsn: str, old: str, new: str, violation: str
) -> None:
    await patch(db_dsn, (old, new))
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 10)).charge
    with contextlib.suppress(asyncpg.CheckViolationError):  # without its hold it cannot be settled
        await desk.settle(charge, 10)

    assert violation in await desk.violations()


async def test_the_table_itself_refuses_a_cost_beyond_the_hold(desk: Desk, db_dsn: str) -> None:
    limited = (
        "cost = least(c.hold, generation_cost(c.price_microcredits, c.per_units,\n"
        "        c.minimum_microcredits, p_quantity)),"
    )
    unlimited = (
        "cost = generation_cost(c.price_microcredits, c.per_units,\n"
        "        c.minimum_microcredits, p_quantity),"
    )
    await patch(db_dsn, (limited, unlimited))
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 10)).charge

    with pytest.raises(asyncpg.CheckViolationError):
        await desk.settle(charge, 11)
