"""Daily free credits at the edges of clocks and time zones, on real Postgres."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

import pytest
import pytest_asyncio

from billing import daily_credits, ledger, limits, lots
from billing.money import MICRO
from shared.db import open_pool, transaction
from shared.errors import Invalid
from shared.settings import PostgresSettings
from tests.integration.lot_desk import LotDesk


@pytest_asyncio.fixture
async def desk(db_dsn: str) -> AsyncIterator[LotDesk]:
    settings = PostgresSettings.model_validate({"database_url": db_dsn})
    pool = await open_pool(settings, application_name="tests")
    yield LotDesk(pool)
    assert await pool.fetch("select * from invariant_violations") == []
    await pool.close()


async def _rule(desk: LotDesk, credits_: int = 100, cap: int = 100, **other: object) -> None:
    async with transaction(desk.pool) as tx:
        await daily_credits.set_rule(
            tx,
            whole_credits=credits_,
            cap_credits=cap,
            set_by="test",
            reason="a test",
            **other,  # type: ignore[arg-type]  # last_days and plan, as the tests need them
        )


async def _person(desk: LotDesk, zone: str = "UTC") -> UUID:
    user = await desk.empty_account()
    await _move(desk, user, zone)
    return user


async def _move(desk: LotDesk, user: UUID, zone: str) -> None:
    async with transaction(desk.pool) as tx:
        await limits.set_time_zone(tx, user_id=user, name=zone)


async def _visit(desk: LotDesk, user: UUID, at: str) -> int:
    """Whole credits that came with a visit at that moment; what ended by then is gone before."""
    moment = datetime.fromisoformat(at)
    async with transaction(desk.pool) as tx:
        await tx.execute("select 1 from credits where user_id = $1 for no key update", user)
        await tx.fetchval("select lots_expire_v1($1, $2)", user, moment)
        granted: int = await tx.fetchval("select daily_grant_v1($1, $2)", user, moment)
    return granted // MICRO


async def _visits(desk: LotDesk, user: UUID, *moments: str) -> list[int]:
    return [await _visit(desk, user, at) for at in moments]


async def test_without_a_rule_nothing_is_given(desk: LotDesk) -> None:
    assert await _visit(desk, await _person(desk), "2026-01-01T00:00:00+00:00") == 0


async def test_once_a_day_from_midnight_to_midnight(desk: LotDesk) -> None:
    await _rule(desk)
    user = await _person(desk, "Europe/Lisbon")

    assert await _visits(
        desk,
        user,
        "2026-01-01T23:59:59+00:00",
        "2026-01-01T23:59:59.999+00:00",
        "2026-01-02T00:00:00+00:00",
        "2026-01-02T23:59:59+00:00",
        "2026-01-04T12:00:00+00:00",  # a day without a visit gives nothing later
        "2026-01-04T12:00:01+00:00",
    ) == [100, 0, 100, 0, 100, 0]


async def test_the_day_is_that_of_the_person(desk: LotDesk) -> None:
    await _rule(desk)
    tokyo, los_angeles = (
        await _person(desk, "Asia/Tokyo"),
        await _person(desk, "America/Los_Angeles"),
    )

    noon, evening = "2026-01-01T12:00:00+00:00", "2026-01-01T15:00:00+00:00"  # midnight in Tokyo

    assert await _visits(desk, tokyo, noon, evening) == [100, 100]
    assert await _visits(desk, los_angeles, noon, evening) == [100, 0]


@pytest.mark.parametrize(
    ("zone", "moments", "granted"),
    [
        # A day of 23 hours: the clock goes from 02:00 to 03:00.
        (
            "Europe/Berlin",
            ["2026-03-28T23:00:00+00:00", "2026-03-29T21:59:59+00:00", "2026-03-29T22:00:00+00:00"],
            [100, 0, 100],
        ),
        # A day of 25 hours.
        (
            "Europe/Berlin",
            ["2026-10-24T22:00:00+00:00", "2026-10-25T22:59:59+00:00", "2026-10-25T23:00:00+00:00"],
            [100, 0, 100],
        ),
        # There is no midnight: the clock goes from 23:59:59 to 01:00.
        (
            "Africa/Cairo",
            ["2026-04-23T21:59:59+00:00", "2026-04-23T22:00:00+00:00", "2026-04-24T20:59:59+00:00"],
            [100, 100, 0],
        ),
        # Midnight comes twice: the clock goes from 24:00 back to 23:00 of the same day.
        (
            "Africa/Cairo",
            [
                "2026-10-29T20:30:00+00:00",
                "2026-10-29T21:30:00+00:00",
                "2026-10-29T22:00:00+00:00",
            ],
            [100, 0, 100],
        ),
        # The leap day is a day, and the first of March is the next one.
        (
            "UTC",
            ["2028-02-28T23:59:59+00:00", "2028-02-29T00:00:00+00:00", "2028-03-01T00:00:00+00:00"],
            [100, 100, 100],
        ),
        # A zone that left out a whole day: after 29 December 2011 came the 31st.
        (
            "Pacific/Apia",
            ["2011-12-30T09:59:59+00:00", "2011-12-30T10:00:00+00:00", "2011-12-31T09:59:59+00:00"],
            [100, 100, 0],
        ),
    ],
)
async def test_clocks_that_change_give_one_grant_a_day(
    desk: LotDesk, zone: str, moments: list[str], granted: list[int]
) -> None:
    await _rule(desk)

    assert await _visits(desk, await _person(desk, zone), *moments) == granted


@pytest.mark.parametrize(
    ("zone", "at", "ends"),
    [
        ("UTC", "2028-02-28T12:00:00+00:00", "2028-02-29T00:00:00+00:00"),
        ("Europe/Berlin", "2026-03-29T12:00:00+00:00", "2026-03-29T22:00:00+00:00"),
        ("Africa/Cairo", "2026-04-23T12:00:00+00:00", "2026-04-23T22:00:00+00:00"),
    ],
)
async def test_credits_of_a_day_end_with_it(desk: LotDesk, zone: str, at: str, ends: str) -> None:
    await _rule(desk)
    user = await _person(desk, zone)
    await _visit(desk, user, at)

    async with transaction(desk.pool) as tx:
        [lot] = await lots.open_lots_of(tx, user)
    assert (lot.kind, lot.expires_at) == ("free", datetime.fromisoformat(ends))


async def test_a_flight_around_the_world_is_no_second_day(desk: LotDesk) -> None:
    """The day moves on with the zone, but 20 hours pass between two grants then."""
    await _rule(desk)
    user = await _person(desk, "Pacific/Midway")  # 11 hours behind
    assert await _visit(desk, user, "2026-01-02T10:00:00+00:00") == 100  # 1 January, 23:00

    await _move(desk, user, "Pacific/Kiritimati")  # 14 hours ahead: 3 January, 00:00

    assert await _visits(
        desk,
        user,
        "2026-01-02T10:01:00+00:00",
        "2026-01-03T05:59:59+00:00",
        "2026-01-03T06:00:00+00:00",
    ) == [0, 0, 100]


async def test_changing_the_zone_all_day_long_gives_one_grant_in_20_hours_and_no_day_twice(
    desk: LotDesk,
) -> None:
    await _rule(desk, cap=100)
    user = await desk.empty_account()
    zones = ["Pacific/Kiritimati", "Pacific/Midway", "Asia/Tokyo", "UTC"]
    granted_at = []

    for hour in range(24 * 6):
        await _move(desk, user, zones[hour % len(zones)])
        day, of_day = divmod(hour, 24)
        if await _visit(desk, user, f"2026-01-{day + 1:02}T{of_day:02}:00:00+00:00"):
            granted_at.append(hour)

    waits = [later - before for before, later in pairwise(granted_at)]
    assert min(waits) >= 20
    assert len(granted_at) <= 7  # of 6 days, which touch 7 dates somewhere


async def test_going_back_in_time_gives_nothing(desk: LotDesk) -> None:
    await _rule(desk)
    user = await _person(desk, "Pacific/Kiritimati")
    assert await _visit(desk, user, "2026-01-01T12:00:00+00:00") == 100  # 2 January there
    await _move(desk, user, "Pacific/Midway")

    assert await _visits(
        desk,
        user,
        "2026-01-02T12:00:00+00:00",
        "2026-01-03T10:59:59+00:00",
        "2026-01-03T11:00:00+00:00",
    ) == [0, 0, 100]


async def test_credits_pile_up_to_the_cap_and_no_further(desk: LotDesk) -> None:
    await _rule(desk, 100, cap=250, last_days=30)
    user = await _person(desk)
    await desk.grant(user, 5_000)  # what was bought does not count

    assert await _visits(
        desk, user, *(f"2030-01-0{day}T12:00:00+00:00" for day in (1, 2, 3, 4))
    ) == [100, 100, 50, 0]


async def test_debt_and_a_frozen_account_get_nothing(desk: LotDesk) -> None:
    await _rule(desk)
    indebted, frozen = await _person(desk), await _person(desk)
    await desk.grant(indebted, -10, "dispute")
    await desk.pool.execute("update profiles set frozen_at = now() where id = $1", frozen)

    assert await _visit(desk, indebted, "2026-01-01T00:00:00+00:00") == 0
    assert await _visit(desk, frozen, "2026-01-01T00:00:00+00:00") == 0


async def test_a_rule_may_be_for_those_who_never_paid(desk: LotDesk) -> None:
    await _rule(desk, plan="free")
    buyer, guest = await _person(desk), await _person(desk)
    await desk.grant(buyer, 10)

    assert await _visit(desk, buyer, "2026-01-01T00:00:00+00:00") == 0
    assert await _visit(desk, guest, "2026-01-01T00:00:00+00:00") == 100


async def test_they_come_when_the_account_is_looked_at_or_used(desk: LotDesk) -> None:
    await _rule(desk)
    looker, user = await _person(desk), await _person(desk)

    async with transaction(desk.pool) as tx:
        seen = await ledger.visit(tx, looker)
        again = await ledger.visit(tx, looker)
    reserved = await desk.reserve(user, 100)

    assert (seen.balance, again.balance) == (100 * MICRO, 100 * MICRO)
    assert reserved.is_new


async def test_the_next_grant_is_announced(desk: LotDesk) -> None:
    await _rule(desk)
    user = await _person(desk, "Asia/Tokyo")
    await _visit(desk, user, "2026-01-01T12:00:00+00:00")

    async with transaction(desk.pool) as tx:
        found = await daily_credits.daily_credits_of(tx, user)

    assert found.standing.next_at == datetime(2026, 1, 1, 15, tzinfo=UTC)
    assert found.rule is not None
    assert found.rule.cap == 100 * MICRO


@pytest.mark.parametrize("bad", [(-1, 5), (10, 9), (1, 2_000_000)])
async def test_a_rule_that_makes_no_sense_is_refused(desk: LotDesk, bad: tuple[int, int]) -> None:
    with pytest.raises(Invalid):
        await _rule(desk, *bad)
