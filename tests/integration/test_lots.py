"""Credit lots on real Postgres: the order of burning, claw-backs, expiry, rollover."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from billing import expiry, lots
from billing.money import MICRO, from_credits
from billing.store import health
from shared.db import Tx, open_pool, transaction
from shared.ids import new_uuid
from shared.migrate import MIGRATIONS, migrate
from shared.settings import PostgresSettings
from tests.integration.charge_desk import Money
from tests.integration.lot_desk import LotDesk
from tests.integration.priced_work import begin_call, run_call, speak

SOON, LATER = (datetime.now(UTC) + timedelta(days=days) for days in (1, 30))


@pytest_asyncio.fixture
async def desk(db_dsn: str) -> AsyncIterator[LotDesk]:
    settings = PostgresSettings.model_validate({"database_url": db_dsn})
    pool = await open_pool(settings, application_name="tests")
    yield LotDesk(pool)
    assert await pool.fetch("select * from invariant_violations") == []
    await pool.close()


async def test_a_generation_burns_what_ends_soonest_then_what_was_free(desk: LotDesk) -> None:
    user = await desk.empty_account()
    await desk.grant(user, 100)
    await desk.grant(user, 100, "subscription_grant", ends=LATER)
    await desk.grant(user, 100, "promo")
    await desk.grant(user, 100, "freemium", ends=SOON)

    await speak(desk.pool, user, 250)

    assert await desk.lots(user) == [("promotional", 50), ("purchased", 100)]


async def test_of_equal_lots_the_older_one_is_burnt(desk: LotDesk) -> None:
    user = await desk.empty_account()
    await desk.grant(user, 100, key="ch_old:1")
    await desk.grant(user, 60, key="ch_new:1")

    await speak(desk.pool, user, 70)

    assert await desk.lots(user) == [("purchased", 30), ("purchased", 60)]


async def test_a_call_burns_lots_once_at_its_end(desk: LotDesk) -> None:
    user = await desk.empty_account()
    await desk.grant(user, 500, "promo")
    await desk.grant(user, 5_000)
    call_id, _ = await begin_call(desk.pool, user)
    assert await desk.lots(user) == [("promotional", 500), ("purchased", 5_000)]

    await run_call(desk.pool, call_id, 60)  # 1,000 credits a minute

    assert await desk.lots(user) == [("purchased", 4_500)]


async def test_a_refund_takes_from_the_lot_of_its_payment_first(desk: LotDesk) -> None:
    user = await desk.empty_account()
    await desk.grant(user, 100, "promo", ends=SOON)
    await desk.grant(user, 100, key="ch_a:1")
    await desk.grant(user, 100, key="ch_b:1")

    await desk.grant(user, -130, "refund", key="ch_b:2")

    assert await desk.lots(user) == [("promotional", 70), ("purchased", 100)]


async def test_what_a_claw_back_cannot_take_is_debt_and_has_no_lot(desk: LotDesk) -> None:
    user = await desk.empty_account()
    await desk.grant(user, 100, key="ch_a:1")
    await desk.grant(user, -250, "dispute", key="ch_a:2")
    assert await desk.money(user) == Money(0, 0, 150)
    assert await desk.lots(user) == []

    await desk.grant(user, 200)

    assert await desk.money(user) == Money(50, 0, 0)
    assert await desk.lots(user) == [("purchased", 50)]


async def test_a_claw_back_leaves_what_is_held_and_the_lots_agree(desk: LotDesk) -> None:
    user = await desk.empty_account()
    await desk.grant(user, 100, key="ch_a:1")
    charge = (await desk.reserve(user, 60)).charge

    await desk.grant(user, -100, "dispute", key="ch_a:2")

    assert await desk.money(user) == Money(60, 60, 60)
    assert await desk.lots(user) == [("purchased", 60)]
    await desk.settle(charge, 20)
    assert await desk.lots(user) == [("purchased", 40)]


async def test_credit_that_comes_back_is_as_it_was(desk: LotDesk) -> None:
    user = await desk.empty_account()
    await desk.grant(user, 100, "subscription_grant", key="ch_a:1", ends=LATER)
    await desk.grant(user, -100, "dispute", key="ch_a:2")

    await desk.grant(user, 100, "dispute_reversal", key="ch_a:3")

    async with transaction(desk.pool) as tx:
        [lot] = await lots.open_lots_of(tx, user)
    assert (lot.kind, lot.expires_at) == ("subscription", LATER)


async def test_a_repeated_posting_makes_no_second_lot(desk: LotDesk) -> None:
    user = await desk.empty_account()

    posted = [await desk.grant(user, 100, key="ch_a:1", ends=SOON) for _ in range(3)]

    assert posted == [True, False, False]
    assert await desk.lots(user) == [("purchased", 100)]


async def test_what_expired_is_gone_with_a_row_in_the_ledger(desk: LotDesk) -> None:
    user = await desk.empty_account()
    await desk.grant(user, 100, "freemium", ends=SOON)
    await desk.grant(user, 40)
    await desk.end_lots(user, "free")

    assert await expiry.expire_due(desk.pool) == 1
    assert await expiry.expire_due(desk.pool) == 0

    assert await desk.money(user) == Money(40, 0, 0)
    assert await desk.expiries(user) == [-100]


async def test_expiry_spares_what_running_work_holds_and_takes_the_rest_at_its_end(
    desk: LotDesk,
) -> None:
    user = await desk.empty_account()
    await desk.grant(user, 100, "freemium", ends=SOON)
    await desk.grant(user, 1_000)
    charge = (await desk.reserve(user, 60)).charge
    await desk.end_lots(user, "free")

    await expiry.expire_due(desk.pool)
    assert await desk.lots(user) == [("free", 60), ("purchased", 1_000)]
    await desk.settle(charge, 25)

    assert await desk.lots(user) == [("purchased", 1_000)]
    assert await desk.expiries(user) == [-40, -35]


async def test_a_running_call_keeps_the_credit_it_began_with(desk: LotDesk) -> None:
    user = await desk.empty_account()
    await desk.grant(user, 3_000, "freemium", ends=SOON)
    call_id, held = await begin_call(desk.pool, user)
    await desk.end_lots(user, "free")
    await expiry.expire_due(desk.pool)
    assert await desk.money(user) == Money(2_000, 2_000, 0)  # 120 seconds are granted

    await run_call(desk.pool, call_id, held.granted_seconds)

    assert await desk.money(user) == Money(0, 0, 0)
    assert await desk.expiries(user) == [-1_000]


async def test_expired_credit_starts_nothing_although_nobody_swept(desk: LotDesk) -> None:
    user = await desk.empty_account()
    await desk.grant(user, 1_000, "freemium", ends=SOON)
    await desk.grant(user, 10)
    await desk.end_lots(user, "free")

    reserved = await desk.reserve(user, 10)

    assert reserved.is_new
    assert await desk.money(user) == Money(10, 10, 0)


async def test_a_released_hold_gives_expired_credit_to_the_sweep(desk: LotDesk) -> None:
    user = await desk.empty_account()
    await desk.grant(user, 100, "freemium", ends=SOON)
    charge = (await desk.reserve(user, 100)).charge
    await desk.end_lots(user, "free")
    assert await expiry.expire_due(desk.pool) == 0

    await desk.release(charge)

    assert await expiry.expire_due(desk.pool) == 1
    assert await desk.money(user) == Money(0, 0, 0)


async def test_the_sweep_waits_for_nobody_and_stuck_accounts_hide_nobody(desk: LotDesk) -> None:
    users = [await desk.empty_account() for _ in range(5)]
    for user in users:
        await desk.grant(user, 100, "freemium", ends=SOON)
    await desk.reserve(users[0], 100)
    for user in users:
        await desk.end_lots(user, "free")
    async with transaction(desk.pool) as busy:
        await busy.execute("select 1 from credits where user_id = $1 for update", users[1])
        async with asyncio.timeout(10):
            assert await expiry.expire_due(desk.pool, lots_max=2) == 3

    assert await expiry.expire_due(desk.pool, lots_max=2) == 1
    assert [(await desk.money(user)).balance for user in users] == [100, 0, 0, 0, 0]


async def test_many_sweeps_and_debits_at_once_take_nothing_twice(desk: LotDesk) -> None:
    users = [await desk.empty_account() for _ in range(3)]
    for user in users:
        await desk.grant(user, 100, "freemium", ends=SOON)
        await desk.grant(user, 1_000)
        await desk.end_lots(user, "free")

    await asyncio.gather(
        *(expiry.expire_due(desk.pool) for _ in range(4)),
        *(speak(desk.pool, user, 30) for user in users for _ in range(3)),
    )

    assert [await desk.money(user) for user in users] == [Money(910, 0, 0)] * 3
    assert [await desk.expiries(user) for user in users] == [[-100]] * 3


async def test_a_refund_takes_what_expired_no_second_time(desk: LotDesk) -> None:
    """Who spent nothing of a month that is over owes nothing when its money goes back."""
    user = await desk.empty_account()
    await desk.grant(user, 100, "subscription_grant", key="ch_a:1", ends=SOON)
    await speak(desk.pool, user, 30)
    await desk.end_lots(user, "subscription")
    await expiry.expire_due(desk.pool)
    assert await desk.money(user) == Money(0, 0, 0)

    await desk.grant(user, -50, "refund", key="ch_a:2")
    assert await desk.money(user) == Money(0, 0, 0)
    await desk.grant(user, -50, "refund", key="ch_a:3")
    assert await desk.money(user) == Money(0, 0, 30), "what was spent is owed"
    assert sum(await desk.expiries(user)) == 0

    await desk.grant(user, 100, "dispute_reversal", key="ch_a:4")
    await expiry.expire_due(desk.pool)
    assert await desk.money(user) == Money(0, 0, 0)
    assert sum(await desk.expiries(user)) == -70


async def _roll(desk: LotDesk, user: UUID, most: int, key: str = "in_2") -> int:
    async with transaction(desk.pool) as tx:
        kept = await lots.roll_over(
            tx, user_id=user, key=key, amount_max=from_credits(most), expires_at=LATER
        )
    return kept // MICRO


async def test_a_renewal_keeps_no_more_than_its_plan_says_however_often_it_comes(
    desk: LotDesk,
) -> None:
    user = await desk.empty_account()
    await desk.grant(user, 100, "subscription_grant", key="ch_a:1", ends=SOON)
    await desk.grant(user, 50, "freemium", ends=SOON)

    assert [await _roll(desk, user, 70) for _ in range(3)] == [70, 0, 0]

    assert await desk.lots(user) == [("free", 50), ("subscription", 30), ("subscription", 70)]
    await desk.grant(user, -100, "refund", key="ch_a:2")  # also finds what was kept
    assert await desk.lots(user) == [("free", 50)]


async def test_lots_that_ended_are_not_kept(desk: LotDesk) -> None:
    user = await desk.empty_account()
    await desk.grant(user, 100, "subscription_grant", ends=SOON)
    await desk.end_lots(user, "subscription")

    assert await _roll(desk, user, 100) == 0


@pytest.mark.parametrize(
    ("harm", "invariant"),
    [
        ("update credit_lots set remaining = remaining - 1", "I22 lots sum to the balance"),
        ("update credits set spent = spent + 1", "I23 spent this month = its debits"),
        (
            "update credit_lots set amount = amount + 1, expired = expired + 1",
            "I24 what expired is in the ledger",
        ),
        ("update credit_lots set amount = amount + 1", "I25 a lot is no more than its posting"),
    ],
)
async def test_both_checks_of_the_books_see_lots_that_are_wrong(
    desk: LotDesk, harm: str, invariant: str
) -> None:
    user = await desk.empty_account()
    await desk.grant(user, 100)
    await speak(desk.pool, user, 30)
    async with desk.pool.acquire() as connection:
        rolled_back = connection.transaction()
        await rolled_back.start()
        await connection.execute(harm)

        whole = {v.invariant for v in await health.violations(connection, limit=9)}
        recent = {
            v.invariant for v in await health.recent_violations(connection, since_s=60, limit=9)
        }
        await rolled_back.rollback()

    assert invariant in whole
    assert invariant in recent


async def test_accounts_from_before_have_one_lot_and_the_old_functions_still_work(
    postgres_dsn: str, tmp_path: Path
) -> None:
    name = f"before_lots_{new_uuid().hex[:12]}"
    admin = await asyncpg.connect(postgres_dsn)
    await admin.execute(f"create database {name}")
    dsn = postgres_dsn.replace("/postgres?", f"/{name}?")
    for path in MIGRATIONS.glob("*.sql"):
        if path.name < "0017":
            shutil.copy(path, tmp_path)
    await migrate(dsn, folder=tmp_path)
    connection = await asyncpg.connect(dsn)
    try:
        users = [new_uuid() for _ in range(3)]
        for user, kind in zip(users, ("topup", "freemium", ""), strict=True):
            await connection.execute(
                "insert into profiles(id, issuer, subject) values ($1, 'x', $2)", user, str(user)
            )
            await connection.execute("insert into credits(user_id) values ($1)", user)
            if kind:
                await _old_post(connection, user, 10**10, kind)
        await _old_work(connection, users[0], quantity=1_000)

        await migrate(dsn)

        rows = await connection.fetch(
            "select user_id, kind, remaining, expires_at from credit_lots"
        )
        assert {(r["user_id"], r["kind"], r["remaining"], r["expires_at"]) for r in rows} == {
            (users[0], "purchased", 9 * 10**9, None),
            (users[1], "free", 10**10, None),
        }
        spent = await connection.fetchval("select spent from credits where user_id = $1", users[0])
        assert spent == 10**9
        await _old_post(connection, users[2], 10**10, "topup")
        await _old_work(connection, users[2], quantity=500)
        assert await connection.fetch("select * from invariant_violations") == []
    finally:
        await connection.close()
        await admin.execute(f"drop database {name}")
        await admin.close()


async def _old_post(connection: Tx, user: UUID, amount: int, kind: str) -> None:
    await connection.fetchval(
        "select credit_post_v1($1, $2, $3, 'test', $4)", user, amount, kind, str(new_uuid())
    )


async def _old_work(connection: Tx, user: UUID, *, quantity: int) -> None:
    charge = new_uuid()
    outcome = await connection.fetchval(
        "select outcome from charge_reserve_v1($1, $2, $3, $4, 'speech', 'local', 'web', $5, 900)",
        charge,
        user,
        str(charge),
        bytes(32),
        quantity,
    )
    assert outcome == "reserved"
    await connection.fetchval("select outcome from charge_settle_v1($1, $2)", charge, quantity)
