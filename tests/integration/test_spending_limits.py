"""What people set for themselves: the spending cap of a month, the notice at a low balance."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio

from billing import charging, limits
from billing.errors import SpendingCapReached
from billing.generation_charges import OverSpendingCap
from billing.money import MICRO, from_credits
from billing.store.limits import Limits
from shared.db import open_pool, transaction
from shared.errors import InsufficientCredits, Invalid
from shared.settings import PostgresSettings
from tests.integration.charge_desk import Money
from tests.integration.lot_desk import LotDesk
from tests.integration.priced_work import begin_call, run_call, speak


@pytest_asyncio.fixture
async def desk(db_dsn: str) -> AsyncIterator[LotDesk]:
    settings = PostgresSettings.model_validate({"database_url": db_dsn})
    pool = await open_pool(settings, application_name="tests")
    yield LotDesk(pool)
    assert await pool.fetch("select * from invariant_violations") == []
    await pool.close()


async def _cap(desk: LotDesk, user: UUID, whole_credits: int | None) -> None:
    async with transaction(desk.pool) as tx:
        cap = None if whole_credits is None else from_credits(whole_credits)
        await limits.set_spending_cap(tx, user_id=user, cap=cap)


async def _limits(desk: LotDesk, user: UUID) -> Limits:
    async with transaction(desk.pool) as tx:
        return await limits.limits_of(tx, user)


async def _rich(desk: LotDesk) -> UUID:
    user = await desk.empty_account()
    await desk.grant(user, 100_000)
    return user


async def test_a_generation_beyond_the_cap_is_refused_and_one_within_is_not(desk: LotDesk) -> None:
    user = await _rich(desk)
    await _cap(desk, user, 100)
    await speak(desk.pool, user, 70)

    with pytest.raises(OverSpendingCap) as refused:
        await desk.reserve(user, 31)

    assert (refused.value.needed, refused.value.available) == (31 * MICRO, 30 * MICRO)
    assert isinstance(refused.value, InsufficientCredits)
    assert (await desk.reserve(user, 30)).is_new


async def test_what_was_spent_before_the_cap_was_set_counts(desk: LotDesk) -> None:
    user = await _rich(desk)
    await speak(desk.pool, user, 70)
    await _cap(desk, user, 50)

    with pytest.raises(OverSpendingCap):
        await desk.reserve(user, 1)

    await _cap(desk, user, None)
    assert (await desk.reserve(user, 1)).is_new


async def test_a_call_does_not_start_without_room_under_the_cap(desk: LotDesk) -> None:
    user = await _rich(desk)
    await _cap(desk, user, 999)  # a call needs 1,000

    with pytest.raises(SpendingCapReached):
        await begin_call(desk.pool, user)

    assert await desk.money(user) == Money(100_000, 0, 0)


async def test_a_running_call_ends_at_the_cap_as_at_the_end_of_its_credit(desk: LotDesk) -> None:
    user = await _rich(desk)
    await _cap(desk, user, 2_500)
    call_id, held = await begin_call(desk.pool, user)
    assert (held.granted_seconds, held.max_seconds) == (120, 150)
    async with transaction(desk.pool) as tx:
        epoch = (await charging.start(tx, call_id=call_id, worker_id="w", job_id="j")).epoch
    await desk.pool.execute(
        "update call_sessions set answered_at = answered_at - interval '10 minutes'"
    )

    grant = await desk.report(call_id, epoch, 100)

    assert (grant.granted_seconds, grant.final_unit) == (150, True)
    assert (await desk.report(call_id, epoch, 101)).granted_seconds == 150
    assert await desk.money(user) == Money(100_000, 2_500, 0)


async def test_a_cap_ends_a_call_in_the_words_of_an_empty_balance(desk: LotDesk) -> None:
    """The agent is told the same seconds, and so says the same: warns twice, then goodbye."""
    capped, poor = await _rich(desk), await desk.empty_account()
    await _cap(desk, capped, 2_500)
    await desk.grant(poor, 2_500)
    told = []
    for user in (capped, poor):
        call_id, held = await begin_call(desk.pool, user)
        async with transaction(desk.pool) as tx:
            started = await charging.start(tx, call_id=call_id, worker_id="w", job_id="j")
        await desk.pool.execute(
            "update call_sessions set answered_at = answered_at - interval '10 minutes'"
        )
        grants = [await desk.report(call_id, started.epoch, seconds) for seconds in (100, 101)]
        answers = [(it.standing, it.granted_seconds, it.final_unit) for it in grants]
        told.append((held.granted_seconds, held.max_seconds, started.final_unit, answers))

    assert told[0] == told[1]
    assert told[0][3][-1] == ("open", 150, True)


async def test_a_higher_cap_extends_a_running_call(desk: LotDesk) -> None:
    user = await _rich(desk)
    await _cap(desk, user, 2_000)
    call_id, _ = await begin_call(desk.pool, user)
    async with transaction(desk.pool) as tx:
        epoch = (await charging.start(tx, call_id=call_id, worker_id="w", job_id="j")).epoch
    await desk.pool.execute(
        "update call_sessions set answered_at = answered_at - interval '10 minutes'"
    )
    assert (await desk.report(call_id, epoch, 100)).final_unit

    await _cap(desk, user, 50_000)

    grant = await desk.report(call_id, epoch, 101)
    assert (grant.granted_seconds, grant.final_unit) == (221, False)


async def test_a_lower_cap_takes_back_nothing_that_is_held(desk: LotDesk) -> None:
    user = await _rich(desk)
    call_id, held = await begin_call(desk.pool, user)

    await _cap(desk, user, 0)
    await run_call(desk.pool, call_id, held.granted_seconds)

    assert (await _limits(desk, user)).spent == 2_000 * MICRO
    with pytest.raises(OverSpendingCap):
        await desk.reserve(user, 1)


async def test_holds_at_the_same_time_stay_below_the_cap_together(desk: LotDesk) -> None:
    user = await _rich(desk)
    await _cap(desk, user, 100)

    outcomes = await asyncio.gather(
        *(desk.reserve(user, 30) for _ in range(10)), return_exceptions=True
    )

    assert sum(not isinstance(outcome, OverSpendingCap) for outcome in outcomes) == 3
    assert await desk.money(user) == Money(100_000, 90, 0)


async def test_a_new_month_begins_at_nothing_spent(desk: LotDesk) -> None:
    user = await _rich(desk)
    await _cap(desk, user, 100)
    await speak(desk.pool, user, 100)
    assert (await _limits(desk, user)).spent == 100 * MICRO

    await desk.pool.execute("update credits set month_ends = clock_timestamp()")

    assert (await _limits(desk, user)).spent == 0
    await speak(desk.pool, user, 60)
    found = await _limits(desk, user)
    assert found.spent == 60 * MICRO
    with pytest.raises(OverSpendingCap):
        await desk.reserve(user, 41)


@pytest.mark.parametrize(
    ("zone", "at", "ends"),
    [
        ("UTC", "2024-02-29T23:59:59Z", "2024-03-01T00:00:00Z"),
        ("UTC", "2024-12-31T23:59:59Z", "2025-01-01T00:00:00Z"),
        ("Pacific/Kiritimati", "2024-12-31T09:59:59Z", "2024-12-31T10:00:00Z"),
        ("Europe/Berlin", "2024-03-15T00:00:00Z", "2024-03-31T22:00:00Z"),  # by summer time
        ("America/New_York", "2024-11-01T03:59:59Z", "2024-11-01T04:00:00Z"),
    ],
)
async def test_a_month_ends_where_the_person_is(
    desk: LotDesk, zone: str, at: str, ends: str
) -> None:
    assert await desk.pool.fetchval(
        "select month_end_v1($1, $2::text::timestamptz) = $3::text::timestamptz", zone, at, ends
    )


async def _notices(desk: LotDesk) -> list[tuple[str, dict[str, int]]]:
    rows = await desk.pool.fetch("select kind, payload from notices order by created_at")
    return [(row["kind"], row["payload"]) for row in rows]


async def _notice_below(desk: LotDesk, user: UUID, whole_credits: int) -> None:
    async with transaction(desk.pool) as tx:
        await limits.set_low_balance_notice(tx, user_id=user, below=from_credits(whole_credits))


async def test_a_low_balance_is_told_once_until_there_is_more_again(desk: LotDesk) -> None:
    user = await desk.empty_account()
    await desk.grant(user, 100)
    await _notice_below(desk, user, 50)
    await speak(desk.pool, user, 50)
    assert await _notices(desk) == []

    await speak(desk.pool, user, 10)
    await speak(desk.pool, user, 10)

    told = ("low_balance", {"available": 40 * MICRO, "threshold": 50 * MICRO})
    assert await _notices(desk) == [told]
    await desk.grant(user, 100)
    await desk.pool.execute("update notices set dedupe_key = 'yesterday'")
    await speak(desk.pool, user, 100)
    assert [kind for kind, _ in await _notices(desk)] == ["low_balance", "low_balance"]


async def test_a_running_call_that_holds_the_rest_is_noticed_by_the_jobs(desk: LotDesk) -> None:
    user = await desk.empty_account()
    await desk.grant(user, 2_100)
    await _notice_below(desk, user, 1_000)
    await begin_call(desk.pool, user)

    told = []
    for _ in range(2):
        async with transaction(desk.pool) as tx:
            told.append(await limits.tell_low_balances(tx))

    assert told == [1, 0]
    assert len(await _notices(desk)) == 1


@pytest.mark.parametrize(
    "name", ["", "Nowhere/Land", "EST5EDT4", "Foo/Bar+3", "europe/berlin", "a" * 65, "localtime"]
)
async def test_an_unknown_time_zone_is_refused(desk: LotDesk, name: str) -> None:
    user = await desk.empty_account()
    async with transaction(desk.pool) as tx:
        with pytest.raises(Invalid):
            await limits.set_time_zone(tx, user_id=user, name=name)
        assert (await limits.limits_of(tx, user)).time_zone == "UTC"
