"""The checks of the books see what they are for, the quick one as well as the whole."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from billing.store import health
from control_plane.jobs import check_all_books, check_recent_books
from control_plane.pulse import take_pulse
from control_plane.reaper import Reaper
from control_plane.reconcile import reconcile
from control_plane.rooms_port import Participant
from control_plane.store import inbox
from local.bench.virtual_calls import open_calls
from shared import metrics
from shared.db import Pool, open_pool, transaction
from shared.settings import PostgresSettings
from tests.fakes.rooms import ScriptedRooms

CORRUPTIONS = {
    "I1 segments sum to the call": (
        "update call_sessions set seconds = 5, cost = call_cost(price_microcredits_per_minute, 5)"
    ),
    "I2 segments are contiguous": (
        "insert into usage_events select id, 7, 8, 0, 'agent' from call_sessions"
    ),
    "I3 a closed call has one debit of its cost": (
        "insert into credit_transactions(user_id, kind, amount, call_id, source, source_id) "
        "select user_id, 'call', -1, id, 'x', 'x' from call_sessions"
    ),
    "I4 balance = ledger + debt": "update credits set balance = balance + 1",
    "I5 reserved = open holds": "update credits set reserved = reserved + 1",
}


@pytest_asyncio.fixture
async def pool(db_dsn: str) -> AsyncIterator[Pool]:
    settings = PostgresSettings.model_validate({"database_url": db_dsn})
    opened = await open_pool(settings, application_name="tests")
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def connection(db_dsn: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(db_dsn)
    yield opened
    await opened.close()


@pytest.mark.parametrize("invariant", CORRUPTIONS)
async def test_each_corruption_is_seen_by_both_checks(connection: Any, invariant: str) -> None:
    await open_calls(connection, 1)
    assert await health.violations(connection, limit=10) == []
    assert await health.recent_violations(connection, since_s=60, limit=10) == []

    await connection.execute(CORRUPTIONS[invariant])

    whole = {v.invariant for v in await health.violations(connection, limit=10)}
    recent = {v.invariant for v in await health.recent_violations(connection, since_s=60, limit=10)}
    assert invariant in whole
    assert invariant in recent


async def test_checks_end_in_the_gauges(pool: Pool, connection: Any) -> None:
    await open_calls(connection, 3)
    await connection.execute("update credits set reserved = reserved + 1")
    await connection.execute(
        "update call_sessions set last_seen_at = last_seen_at - interval '20 s'"
    )

    assert await check_recent_books(pool) == 3
    assert await check_all_books(pool) == 3
    await take_pulse(pool)

    assert metrics.LEDGER_DRIFT.labels("recent")._value.get() == 3
    assert metrics.OPEN_HOLDS.labels("under 5 minutes")._value.get() == 3
    assert metrics.LATE_SETTLES._value.get() == 3
    assert metrics.UNSETTLED_S._value.get() == pytest.approx(60, abs=3)


async def _age(connection: Any, *, seen_s: float, placed_s: float) -> None:
    await connection.execute(
        "update call_sessions set last_seen_at = clock_timestamp() - make_interval(secs => $1), "
        "authorized_at = clock_timestamp() - make_interval(secs => $2)",
        seen_s,
        placed_s,
    )


async def _configure(connection: Any) -> str:
    """What the control plane freezes beside a call."""
    await connection.execute(
        "insert into call_configs(call_id, room_name, plan, model, voice, language, instructions, "
        "greeting, free_call) select id, 'ro-' || id, 'paid', 'm', 'Ara', 'en', '', '', false "
        "from call_sessions"
    )
    await connection.execute(
        "insert into listeners(id, listening_since) "
        "values (gen_random_uuid(), clock_timestamp() - interval '1 hour')"
    )
    return str(await connection.fetchval("select room_name from call_configs"))


AGENT = Participant(identity="agent-1", sid="PA_1", is_agent=True)
CALLER = Participant(identity="human", sid="PA_2", is_agent=False)


async def test_a_call_whose_agent_is_gone_closes_at_the_settled_second(
    pool: Pool, connection: Any
) -> None:
    [call] = await open_calls(connection, 1)
    room = await _configure(connection)
    await connection.fetch(
        "select calls_settle_v1(array[$1::uuid], array[1], array[7], 120, 75)", call
    )
    await _age(connection, seen_s=25, placed_s=60)
    rooms = ScriptedRooms(present={room: [CALLER]})

    closed = await Reaper(pool, rooms, 60).round()

    row = await connection.fetchrow(
        "select state, seconds, end_reason, closed_by from call_sessions"
    )
    assert closed == 1
    assert tuple(row) == ("closed", 7, "agent_lost", "reaper")
    assert rooms.deleted == [room]
    assert rooms.notices == [(room, "agent_lost")]
    assert await health.violations(connection, limit=10) == []


async def test_silence_that_nobody_listened_to_ends_no_call(pool: Pool, connection: Any) -> None:
    """
    The control plane was away for 20 s and is back: agents need a moment to be heard again.

    A call that had ended meanwhile was closed at its last report, before its agent could deliver
    the end.
    """
    await open_calls(connection, 1)
    room = await _configure(connection)
    await connection.execute("update listeners set listening_since = clock_timestamp()")
    await _age(connection, seen_s=25, placed_s=60)

    assert await Reaper(pool, ScriptedRooms(present={room: []}), 60).round() == 0


async def test_an_error_of_the_media_server_ends_no_call(pool: Pool, connection: Any) -> None:
    await open_calls(connection, 1)
    await _configure(connection)
    await _age(connection, seen_s=300, placed_s=400)

    closed = await Reaper(pool, ScriptedRooms(is_down=True), 60).round()

    assert closed == 0


async def test_an_agent_that_did_not_come_is_asked_for_once_more(
    pool: Pool, connection: Any
) -> None:
    [call] = await open_calls(connection, 1)
    room = await _configure(connection)
    await connection.execute(
        "update call_sessions set state = 'authorized', answered_at = null, started_at = null"
    )
    await _age(connection, seen_s=6, placed_s=6)
    rooms = ScriptedRooms(present={room: [CALLER]})
    reaper = Reaper(pool, rooms, 60)

    await reaper.round()
    await reaper.round()

    assert rooms.dispatched == [call]
    assert rooms.notices == [(room, "agent_late")]


async def test_rooms_without_a_call_are_deleted_and_others_left_alone(
    pool: Pool, connection: Any
) -> None:
    [call] = await open_calls(connection, 1)
    orphan = "ro-00000000-0000-4000-a000-000000000001"
    rooms = ScriptedRooms(present={f"ro-{call}": [CALLER, AGENT], orphan: [CALLER], "theirs": []})

    assert await Reaper(pool, rooms, 60).compare_rooms() == 1
    assert rooms.deleted == [orphan]


async def test_a_call_billed_beyond_its_callers_presence_is_found(
    pool: Pool, connection: Any
) -> None:
    """The media server saw the caller for 5 s; one call was billed 6 s, another one 30 s."""
    fair, unfair = await open_calls(connection, 2)
    await _configure(connection)
    for call, billed in ((fair, 6), (unfair, 30)):
        await connection.execute(
            "select call_close_v1($1, null, $2, 'caller_hangup', 'agent', 'agent')", call, billed
        )
        for kind, at_s in (("participant_joined", 1_000), ("participant_left", 1_005)):
            payload = {
                "room": {"name": f"ro-{call}"},
                "participant": {"identity": "human", "sid": f"PA_{call}"},
                "createdAt": str(at_s),
            }
            async with transaction(pool) as tx:
                await inbox.put(
                    tx, source="livekit", event_id=f"{call}-{kind}", kind=kind, payload=payload
                )

    found = await reconcile(pool)

    assert [(d.call_id, d.billed, d.present) for d in found] == [(unfair, 30, 5)]
