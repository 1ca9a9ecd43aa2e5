"""One-shot charges on real Postgres: holds, debits, repeats, refusals and expiry."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from billing import generation_charges as charges
from billing.generation_charges import (
    CannotAfford,
    ChargeNotFound,
    ChargeReleased,
    KeyReused,
    ReleaseReason,
)
from billing.money import MICRO
from billing.price_book import NotPriced
from shared.db import open_pool, transaction
from shared.errors import Invalid
from shared.ids import new_uuid
from shared.settings import PostgresSettings
from tests.integration.charge_desk import Desk, Money
from tests.integration.priced_work import SETTINGS, begin_call, publish, rate


@pytest_asyncio.fixture
async def desk(db_dsn: str) -> AsyncIterator[Desk]:
    settings = PostgresSettings.model_validate({"database_url": db_dsn, "database_pool_max": 20})
    pool = await open_pool(settings, application_name="tests")
    yield Desk(pool)
    await pool.close()


async def test_a_charge_is_held_then_debited_by_what_was_delivered(desk: Desk) -> None:
    user = await desk.account(1_000)

    reserved = await desk.reserve(user, 400)
    held = await desk.money(user)
    settled = await desk.settle(reserved.charge, 150)

    assert reserved.is_new
    assert (reserved.charge.state, reserved.charge.unit) == ("reserved", "character")
    assert held == Money(1_000, 400, 0)
    assert (settled.state, settled.quantity, settled.cost) == ("settled", 150, 150 * MICRO)
    assert (settled.end_reason, settled.rate_card_version) == ("delivered", 2)
    assert await desk.money(user) == Money(850, 0, 0)
    assert await desk.violations() == set()


async def test_a_repeated_settle_debits_once_whatever_it_says(desk: Desk) -> None:
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 400)).charge

    first = await desk.settle(charge, 150)
    others = await asyncio.gather(*(desk.settle(charge, n) for n in (150, 151, 400)))

    assert others == [first] * 3
    debits = await desk.pool.fetch(
        "select kind, amount, source, source_id from credit_transactions where charge_id = $1",
        charge.id,
    )
    assert [tuple(row) for row in debits] == [
        ("generation", -150 * MICRO, "generation", str(charge.id))
    ]


async def test_more_delivered_than_held_costs_the_hold(desk: Desk) -> None:
    """The estimate was ours, so its error is not the customer's."""
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 400)).charge

    settled = await desk.settle(charge, 1_000)

    assert (settled.quantity, settled.cost) == (1_000, 400 * MICRO)
    assert await desk.money(user) == Money(600, 0, 0)


async def test_a_released_charge_costs_nothing_and_stays_released(desk: Desk) -> None:
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 400, key="once")).charge

    released = await desk.release(charge)
    again = await desk.release(charge)
    with pytest.raises(ChargeReleased):
        await desk.settle(charge, 10)
    repeated = await desk.reserve(user, 400, key="once")

    assert released == again == repeated.charge
    assert (released.state, released.end_reason, repeated.is_new) == ("released", "failed", False)
    assert await desk.money(user) == Money(1_000, 0, 0)
    assert await desk.violations() == set()


async def test_a_settled_charge_cannot_be_released(desk: Desk) -> None:
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 400)).charge
    settled = await desk.settle(charge, 100)

    assert await desk.release(charge) == settled
    assert await desk.money(user) == Money(900, 0, 0)


async def test_a_key_belongs_to_one_request_of_one_account(desk: Desk) -> None:
    user, stranger = await desk.account(1_000), await desk.account(1_000, "stranger")
    mine = await desk.reserve(user, 100, key="same")

    with pytest.raises(KeyReused):
        await desk.reserve(user, 100, key="same", request="another text")
    theirs = await desk.reserve(stranger, 100, key="same", request="another text")

    assert theirs.is_new
    assert theirs.charge.id != mine.charge.id


async def test_a_repeated_request_is_answered_even_when_the_credit_is_gone(desk: Desk) -> None:
    user = await desk.account(100)
    first = await desk.reserve(user, 100, key="same")
    await desk.settle(first.charge, 100)

    again = await desk.reserve(user, 100, key="same")

    assert (again.is_new, again.charge.state) == (False, "settled")


async def test_who_cannot_pay_is_told_how_much_is_missing(desk: Desk) -> None:
    user = await desk.account(150)
    await desk.reserve(user, 100)

    with pytest.raises(CannotAfford) as refused:
        await desk.reserve(user, 51)

    assert (refused.value.needed, refused.value.available) == (51 * MICRO, 50 * MICRO)
    assert refused.value.explanation == "This needs 51 credits; 50 credits are free"
    assert await desk.money(user) == Money(150, 100, 0)


async def test_who_owes_starts_nothing(desk: Desk) -> None:
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 900)).charge
    await desk.post(user, -300, "dispute")

    with pytest.raises(CannotAfford):
        await desk.reserve(user, 1)
    await desk.settle(charge, 900)

    assert await desk.money(user) == Money(0, 0, 200)
    assert await desk.violations() == set()


async def test_an_unknown_account_or_charge_changes_nothing(desk: Desk) -> None:
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 1)).charge
    await desk.release(charge)
    nobody, nothing = new_uuid(), new_uuid()

    with pytest.raises(CannotAfford):
        await desk.reserve(nobody, 10)
    async with transaction(desk.pool) as tx:
        for attempt in (
            charges.settle(tx, charge_id=nothing, quantity=1),
            charges.release(tx, charge_id=nothing, reason=ReleaseReason.FAILED),
            charges.find(tx, nothing),
        ):
            with pytest.raises(ChargeNotFound):
                await attempt


@pytest.mark.parametrize(
    ("key", "quantity"),
    [("", 1), ("k" * 256, 1), ("a\x00b", 1), ("a\nb", 1), ("k", 0), ("k", -1), ("k", 10_000_001)],
)
async def test_a_bad_reserve_is_refused(desk: Desk, key: str, quantity: int) -> None:
    user = await desk.account(1_000)

    with pytest.raises(Invalid):
        async with transaction(desk.pool) as tx:
            await charges.reserve(
                tx,
                user_id=user,
                idempotency_key=key,
                request_sha256=bytes(32),
                product="speech",
                model="local",
                quantity_max=quantity,
            )

    assert await desk.money(user) == Money(1_000, 0, 0)


async def test_a_charge_keeps_the_price_it_began_with(desk: Desk) -> None:
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 100)).charge

    await publish(desk.pool, rate(), rate("speech", 9))
    settled = await desk.settle(charge, 100)
    later = await desk.reserve(user, 100)

    assert (settled.cost, settled.rate_card_version) == (100 * MICRO, 2)
    assert (later.charge.hold, later.charge.rate_card_version) == (900 * MICRO, 3)


async def test_the_model_that_did_the_work_sets_the_price(desk: Desk) -> None:
    await publish(
        desk.pool,
        rate(),
        rate("speech", 9),
        rate("speech", 2, model="flash"),
        rate("speech", 2, model="counts-tokens", unit="token"),
    )
    user = await desk.account(5_000)
    first, second = await desk.reserve(user, 100), await desk.reserve(user, 100)
    await publish(desk.pool, rate())  # withdrawn meanwhile; the charge keeps its card

    settled = await desk.settle(first.charge, 100, model="flash")
    with pytest.raises(NotPriced):
        await desk.settle(second.charge, 100, model="counts-tokens")

    assert (settled.model, settled.hold, settled.cost) == ("flash", 900 * MICRO, 200 * MICRO)
    assert await desk.money(user) == Money(4_800, 900, 0)
    assert await desk.violations() == set()


async def test_work_without_a_price_is_not_begun(desk: Desk) -> None:
    await publish(desk.pool, rate())
    user = await desk.account(1_000)

    with pytest.raises(NotPriced):
        await desk.reserve(user, 1)


async def test_calls_and_charges_share_one_balance(desk: Desk) -> None:
    user = await desk.account(2_500)
    charge = (await desk.reserve(user, 1_000)).charge

    _, held = await begin_call(desk.pool, user)
    with pytest.raises(CannotAfford):
        await desk.reserve(user, 1)
    await desk.settle(charge, 1_000)

    assert SETTINGS.grant_seconds == 120
    assert held.granted_seconds == 90  # of 2,500 credits, 1,000 were held
    assert await desk.money(user) == Money(1_500, 1_500, 0)
    assert await desk.violations() == set()


async def test_only_what_is_overdue_expires_the_oldest_first(desk: Desk) -> None:
    user = await desk.account(1_000)
    late = [(await desk.reserve(user, 10)).charge for _ in range(3)]
    await desk.make_overdue()
    await desk.pool.execute(
        "update generation_charges set expires_at = expires_at - interval '1 hour' where id = $1",
        late[1].id,
    )
    fresh = (await desk.reserve(user, 10)).charge

    first = await desk.expire(limit=1)
    rest = await desk.expire()
    nothing = await desk.expire()

    assert [charge.id for charge in first] == [late[1].id]
    assert {charge.id for charge in rest} == {late[0].id, late[2].id}
    assert nothing == []
    assert {(c.state, c.end_reason, c.cost) for c in first + rest} == {("released", "expired", 0)}
    assert await desk.money(user) == Money(1_000, 10, 0)
    assert (await desk.settle(fresh, 10)).state == "settled"
    assert await desk.violations() == set()


async def test_an_overdue_charge_can_be_settled_until_it_is_released(desk: Desk) -> None:
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 10)).charge
    await desk.make_overdue()

    settled = await desk.settle(charge, 10)

    assert settled.state == "settled"
    assert await desk.expire() == []


async def test_expiry_waits_for_nobody(desk: Desk) -> None:
    """A stuck request of one account must not keep the holds of all others."""
    busy, idle = await desk.account(1_000), await desk.account(1_000, "idle")
    await desk.reserve(busy, 10)
    waiting = (await desk.reserve(idle, 10)).charge
    await desk.make_overdue()

    async with transaction(desk.pool) as tx:
        await tx.execute("select 1 from credits where user_id = $1 for no key update", busy)
        async with asyncio.timeout(5):
            expired = await desk.expire()
    afterwards = await desk.expire()

    assert [charge.id for charge in expired] == [waiting.id]
    assert [charge.user_id for charge in afterwards] == [busy]


async def test_old_charges_of_a_busy_account_hide_nobody_elses(desk: Desk) -> None:
    busy, idle = await desk.account(1_000), await desk.account(1_000, "idle")
    for user in (busy, busy, busy, idle):
        await desk.reserve(user, 10)
    await desk.make_overdue()

    async with transaction(desk.pool) as tx:
        await tx.execute("select 1 from credits where user_id = $1 for no key update", busy)
        expired = await desk.expire(limit=2)

    assert [charge.user_id for charge in expired] == [idle]
