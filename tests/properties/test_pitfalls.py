"""
Six mistakes that drafts of the settle function made, each kept out by a test.

Where the mistake can be put back by changing one line of SQL, a second test does that and expects
the first to notice.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from billing.pricing import call_cost
from shared.ids import new_uuid
from tests.properties.storm import TIME_FLIES
from tests.properties.weakened import patch

PRICE = 100_000  # a second costs 1,666 2/3
WANT_SECONDS, LOW_SECONDS = 30, 15
WAITS_MAX_S = 5.0
_WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and pid = $1"


@dataclass(frozen=True, slots=True)
class Desk:
    """Connections to one database, and the few things that are done to it here."""

    dsn: str
    connection: Any

    @asynccontextmanager
    async def another(self) -> AsyncIterator[Any]:
        connection = await asyncpg.connect(self.dsn)
        try:
            yield connection
        finally:
            await connection.close()

    async def account(self, credit: int) -> UUID:
        user = new_uuid()
        await self.connection.execute(
            "insert into profiles(id, issuer, subject) values ($1, 'test', $2)", user, str(user)
        )
        await self.connection.execute("insert into credits(user_id) values ($1)", user)
        await post(self.connection, user, credit)
        return user

    async def call(self, user: UUID, *, want: int = WANT_SECONDS) -> UUID:
        call_id = new_uuid()
        await authorize(self.connection, call_id, user, want=want)
        await start(self.connection, call_id)
        return call_id


async def post(connection: Any, user: UUID, amount: int) -> None:
    await connection.fetchval(
        "select credit_post_v2($1, $2, $3, 'test', $4)",
        user,
        amount,
        "topup" if amount > 0 else "dispute",
        str(new_uuid()),
    )


async def authorize(connection: Any, call_id: UUID, user: UUID, *, want: int) -> None:
    granted = await connection.fetchval(
        "select call_authorize_v3($1, $2, $3, $4, 1, 3600, null, 1)", call_id, user, PRICE, want
    )
    assert granted == want


async def start(connection: Any, call_id: UUID) -> None:
    await connection.fetch("select 1 from call_start_v1($1, 'w', 'j', 0)", call_id)


async def settle(
    connection: Any, *reports: tuple[UUID, int], low: int = LOW_SECONDS
) -> dict[UUID, tuple[int, int]]:
    """Billed and granted seconds of every call that was found."""
    rows = await connection.fetch(
        "select call_id, seconds, granted from calls_settle_v2($1, $2, $3, $4, $5)",
        [call for call, _ in reports],
        [1] * len(reports),
        [seconds for _, seconds in reports],
        WANT_SECONDS,
        low,
    )
    return {row["call_id"]: (row["seconds"], row["granted"]) for row in rows}


@pytest_asyncio.fixture
async def desk(db_dsn: str) -> AsyncIterator[Desk]:
    connection = await asyncpg.connect(db_dsn)
    await connection.execute(TIME_FLIES)
    yield Desk(db_dsn, connection)
    await connection.close()


async def _until_it_waits(desk: Desk, pid: int) -> None:
    async with asyncio.timeout(WAITS_MAX_S):
        while not await desk.connection.fetchval(_WAITING, pid):
            await asyncio.sleep(0.01)


async def a_part_of_a_second_is_not_granted(desk: Desk) -> None:
    """
    1. sum(bigint) is numeric, and a numeric cast to int is rounded: a second too much was granted.

    Free are 8,333 micro-credits, which is 4.9998 seconds.
    """
    user = await desk.account(call_cost(PRICE, 30) + 8_333)
    call = await desk.call(user)

    answer = await settle(desk.connection, (call, 30))

    assert answer[call] == (30, 34)


async def a_stale_report_leaves_no_room_that_is_not_there(desk: Desk) -> None:
    """
    2. What a call asks for was computed from its report instead of its watermark: after a late,
    smaller report the calls behind it in the batch were granted the same credit again.
    """
    user = await desk.account(call_cost(PRICE, 70))
    first, second = sorted([await desk.call(user), await desk.call(user)])
    await settle(desk.connection, (first, 20), low=0)

    answer = await settle(desk.connection, (first, 0), (second, 20))

    assert answer == {first: (20, 40), second: (20, 30)}


async def credit_that_goes_meanwhile_is_not_granted(desk: Desk) -> None:
    """
    3. One statement that locks a row and updates it works on the row as it was before it waited:
    the CHECK on the balance then failed for a request that had done nothing wrong.
    """
    user = await desk.account(call_cost(PRICE, 60))
    call = await desk.call(user)
    async with desk.another() as bank, desk.another() as agent:
        async with bank.transaction():
            await post(bank, user, -call_cost(PRICE, 30))
            settling = asyncio.create_task(settle(agent, (call, 20)))
            await _until_it_waits(desk, agent.get_server_pid())
        answer = await settling

    assert answer[call] == (20, 30)


async def a_call_of_an_account_nobody_locked_waits_its_turn(desk: Desk) -> None:
    """
    4. A call that appeared between the statement that locks and the one that works was worked on
    although nobody held its account.
    """
    slow, quick = await desk.account(10**9), await desk.account(10**9)
    old, new = await desk.call(slow), new_uuid()
    async with desk.another() as bank, desk.another() as agent:
        async with bank.transaction():
            await post(bank, slow, 1)
            settling = asyncio.create_task(settle(agent, (old, 5), (new, 5)))
            await _until_it_waits(desk, agent.get_server_pid())
            await authorize(desk.connection, new, quick, want=30)
            await start(desk.connection, new)
        answer = await settling

    assert answer == {old: (5, 30)}
    assert await settle(desk.connection, (new, 5)) == {new: (5, 30)}


Pitfall = Callable[[Desk], Awaitable[None]]
LOCKS = "where user_id in (select user_id from call_sessions where id = any(p_call))\n    "
MISTAKES: dict[str, tuple[Pitfall, tuple[tuple[str, str], ...]]] = {
    "numeric is rounded": (
        a_part_of_a_second_is_not_granted,
        (
            (
                "rows unbounded preceding) - ask)::bigint, 0))",
                "rows unbounded preceding) - ask), 0))",
            ),
        ),
    ),
    "the report is asked": (
        a_stale_report_leaves_no_room_that_is_not_there,
        (
            (
                "then greatest(call_cost(price, target)",
                "then greatest(call_cost(price, least(upto + p_want, cap))",
            ),
        ),
    ),
    "no lock of its own": (
        credit_that_goes_meanwhile_is_not_granted,
        ((f"{LOCKS}order by user_id for no key update", f"{LOCKS}order by user_id"),),
    ),
    "more than was locked": (
        a_call_of_an_account_nobody_locked_waits_its_turn,
        (("where id = any(p_call) and user_id = any(us)", "where id = any(p_call)"),),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
async def test_an_old_mistake_is_not_made_again(desk: Desk, name: str) -> None:
    await MISTAKES[name][0](desk)

    assert await desk.connection.fetch("select * from invariant_violations") == []


@pytest.mark.parametrize("name", MISTAKES)
async def test_an_old_mistake_would_be_noticed(desk: Desk, name: str) -> None:
    """Negative control: the mistake is put back, and its own test fails."""
    holds, changes = MISTAKES[name]
    await patch(desk.dsn, *changes)
    await desk.connection.execute(TIME_FLIES)

    with pytest.raises((AssertionError, asyncpg.CheckViolationError)):
        await holds(desk)


async def test_the_settle_function_is_planned_once(desk: Desk) -> None:
    """6. Planned anew for every array, a settle cost Postgres 580 us instead of 220."""
    configuration = await desk.connection.fetchval(
        "select proconfig from pg_proc where proname = 'calls_settle_v2'"
    )

    assert "plan_cache_mode=force_generic_plan" in configuration
