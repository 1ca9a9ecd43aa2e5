"""A running call of a frozen account ends with the seconds it was promised, and not before."""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from billing import charging
from billing.settings import ChargingSettings
from control_plane.admin import actions
from shared.call_protocol import CallReport, Grant
from shared.end_reasons import EndReason
from shared.ids import new_call_id
from tests import builders

PRICED = ChargingSettings(call_min_credits=1, grant_seconds=120, grant_low_seconds=75)


@pytest_asyncio.fixture
async def db(db_dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(db_dsn)
    yield connection
    await connection.close()


async def running_call(
    db: "asyncpg.Connection[asyncpg.Record]",
) -> tuple[UUID, UUID]:
    account = await builders.account(db, balance=100_000, paid=True)
    call_id = new_call_id()
    async with db.transaction():
        await charging.authorize(db, call_id=call_id, user_id=account.user_id, settings=PRICED)
        await charging.start(db, call_id=call_id, worker_id="w1", job_id="j1")
    await db.execute(
        "update call_sessions set answered_at = now() - interval '1 hour',"
        " started_at = now() - interval '1 hour' where id = $1",
        call_id,
    )
    return account.user_id, call_id


async def report(db: "asyncpg.Connection[asyncpg.Record]", call_id: UUID, seconds: int) -> Grant:
    [grant] = await charging.settle(db, [CallReport(id=call_id, epoch=1, seconds=seconds)], PRICED)
    return grant


async def freeze(db: "asyncpg.Connection[asyncpg.Record]", user_id: UUID) -> None:
    async with db.transaction():
        await actions.freeze(db, user_id=user_id, actor="olga", reason="stolen card")


async def test_it_goes_on_to_the_promised_second_and_is_promised_no_more(
    db: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    user_id, call_id = await running_call(db)
    assert (await report(db, call_id, 50)).granted_seconds == 170

    await freeze(db, user_id)

    for seconds in (60, 100, 169, 170, 180):
        grant = await report(db, call_id, seconds)
        assert (grant.standing, grant.granted_seconds) == ("open", 170)
    assert (grant.seconds, grant.final_unit) == (170, True)
    await charging.close(
        db,
        call_id=call_id,
        epoch=1,
        seconds=170,
        reason=EndReason.CREDIT_EXHAUSTED,
        closed_by="agent",
        source="agent",
    )
    assert await builders.violations(db) == []


async def test_it_is_the_final_unit_as_soon_as_it_would_want_more(
    db: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    user_id, call_id = await running_call(db)
    await report(db, call_id, 10)
    await freeze(db, user_id)
    assert (await report(db, call_id, 60)).final_unit


async def test_it_may_become_as_long_as_before_when_the_account_is_free_again(
    db: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    user_id, call_id = await running_call(db)
    await report(db, call_id, 50)
    await freeze(db, user_id)
    assert (await report(db, call_id, 100)).granted_seconds == 170

    async with db.transaction():
        await actions.unfreeze(db, user_id=user_id, actor="olga", reason="a mistake of ours")

    grant = await report(db, call_id, 110)
    assert (grant.granted_seconds, grant.final_unit) == (230, False)
    assert await db.fetchval("select max_seconds from call_sessions") == PRICED.call_max_seconds
    assert await db.fetchval("select count(*) from frozen_calls") == 0


async def begin(db: "asyncpg.Connection[asyncpg.Record]", user_id: UUID, table: str) -> None:
    async with db.transaction():
        if table == "call_sessions":
            await charging.authorize(db, call_id=new_call_id(), user_id=user_id, settings=PRICED)
        else:
            await db.execute(
                "select charge_reserve_v1(gen_random_uuid(), $1, 'key', sha256('x'),"
                " 'speech', 'local', 'web', 10, 60)",
                user_id,
            )


@pytest.mark.parametrize("table", ["call_sessions", "generation_charges"])
async def test_nothing_new_begins_whoever_forgot_to_ask(
    db: "asyncpg.Connection[asyncpg.Record]", table: str
) -> None:
    account = await builders.account(db, balance=100_000, paid=True)
    await freeze(db, account.user_id)
    before = await builders.fingerprint(db)
    with pytest.raises(asyncpg.PostgresError) as refused:
        await begin(db, account.user_id, table)
    assert refused.value.sqlstate == "P0403"
    assert await builders.fingerprint(db) == before
