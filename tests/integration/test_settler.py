"""Reports that come in together are settled together, and each gets its own answer."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from billing.settings import ChargingSettings
from control_plane.settler import Settler
from local.bench.virtual_calls import open_calls
from shared.call_protocol import CallReport, Standing
from shared.db import Pool, open_pool
from shared.ids import new_call_id
from shared.settings import PostgresSettings


@pytest_asyncio.fixture
async def pool(db_dsn: str) -> AsyncIterator[Pool]:
    settings = PostgresSettings.model_validate({"database_url": db_dsn})
    opened = await open_pool(settings, application_name="tests")
    yield opened
    await opened.close()


async def test_a_hundred_reports_at_once_each_get_their_own_answer(pool: Pool, db_dsn: str) -> None:
    connection = await asyncpg.connect(db_dsn)
    calls = await open_calls(connection, 100)
    settler = Settler(pool, ChargingSettings())

    answers = await asyncio.gather(
        *(
            settler.settle([CallReport(id=call, epoch=1, seconds=second)])
            for second, call in enumerate(calls, start=1)
        )
    )

    assert [(a.id, a.seconds) for [a] in answers] == list(zip(calls, range(1, 101), strict=True))
    assert await connection.fetchval("select count(*) from invariant_violations") == 0
    await connection.close()


async def test_one_call_in_several_requests_ends_at_the_largest_report(
    pool: Pool, db_dsn: str
) -> None:
    connection = await asyncpg.connect(db_dsn)
    [call] = await open_calls(connection, 1)
    settler = Settler(pool, ChargingSettings())

    await asyncio.gather(
        *(settler.settle([CallReport(id=call, epoch=1, seconds=n)]) for n in (3, 9, 1, 9, 5))
    )

    assert await connection.fetchval("select seconds from call_sessions") == 9
    await connection.close()


async def test_an_unknown_call_in_a_batch_disturbs_nobody(pool: Pool, db_dsn: str) -> None:
    connection = await asyncpg.connect(db_dsn)
    [call] = await open_calls(connection, 1)
    await connection.close()
    settler, stranger = Settler(pool, ChargingSettings()), new_call_id()

    [[known], [unknown]] = await asyncio.gather(
        settler.settle([CallReport(id=call, epoch=1, seconds=4)]),
        settler.settle([CallReport(id=stranger, epoch=1, seconds=4)]),
    )

    assert (known.standing, known.seconds) == (Standing.OPEN, 4)
    assert unknown.standing is Standing.UNKNOWN


async def test_without_a_database_every_request_hears_so_and_later_ones_go_on(
    pool: Pool, db_dsn: str
) -> None:
    connection = await asyncpg.connect(db_dsn)
    [call] = await open_calls(connection, 1)
    settler = Settler(pool, ChargingSettings())
    await connection.execute("alter function calls_settle_v2 rename to away")
    report = CallReport(id=call, epoch=1, seconds=4)

    outcomes = await asyncio.gather(
        *(settler.settle([report]) for _ in range(5)), return_exceptions=True
    )
    await connection.execute("alter function away rename to calls_settle_v2")

    assert {type(o) for o in outcomes} == {asyncpg.UndefinedFunctionError}
    [grant] = await settler.settle([report])
    assert grant.seconds == 4
    await connection.close()


async def test_a_client_that_went_away_takes_nobody_with_it(pool: Pool, db_dsn: str) -> None:
    connection = await asyncpg.connect(db_dsn)
    first, second = await open_calls(connection, 2)
    settler = Settler(pool, ChargingSettings())
    gone = asyncio.create_task(settler.settle([CallReport(id=first, epoch=1, seconds=4)]))
    stays = asyncio.create_task(settler.settle([CallReport(id=second, epoch=1, seconds=4)]))
    await asyncio.sleep(0)
    gone.cancel()

    [grant] = await stays

    assert grant.seconds == 4
    with pytest.raises(asyncio.CancelledError):
        await gone
    await connection.close()
