"""What a key opens, how soon it stops, and when its use is written down."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio

from control_plane.key_ring import KeyRing
from shared.clock import SystemClock
from shared.db import open_pool
from shared.settings import PostgresSettings
from tests.fakes.clock import MovableClock
from tests.integration.key_desk import SPEAK, WHO, Key, add_key_routes, make_key
from tests.web_process import (
    API_KEY_SECRET,
    Caller,
    Media,
    Web,
    running_web,
    session_token,
    web_settings,
)

BELIEVED_S = 5
CHECK_CPU_US_MAX = 200
CHECKS = 2_000


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest_asyncio.fixture
async def web(db_dsn: str, no_media: Media, clock: MovableClock) -> AsyncIterator[Web]:
    async with running_web(web_settings(db_dsn, no_media), clock=clock) as running:
        add_key_routes(running)
        yield running


@pytest_asyncio.fixture
async def owner(web: Web) -> Caller:
    return await web.account(paid=True)


def ring_of(web: Web) -> KeyRing:
    ring: KeyRing = web.app.state.services.key_ring
    return ring


async def test_a_key_says_whose_it_is_and_what_it_may(web: Web, owner: Caller) -> None:
    made = await make_key(owner, scopes=["voices:read"])
    answer = await made.ask()
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "user_id": str(owner.account.user_id),
            "api_key_id": made.id,
            "is_paid": True,
            "scopes": ["voices:read"],
        },
    )


async def test_the_word_bearer_may_be_written_in_any_case(web: Web, owner: Caller) -> None:
    made = await make_key(owner)
    for scheme in ("bearer", "BEARER", "Bearer "):
        headers = {"Authorization": f"{scheme} {made.key}"}
        assert (await web.client.get(WHO, headers=headers)).status_code == 200


async def test_whatever_is_no_key_gets_one_answer(web: Web, owner: Caller) -> None:
    made = await make_key(owner)
    session = owner.headers["Authorization"].removeprefix("Bearer ")
    shown = {
        "nothing": None,
        "no scheme": made.key,
        "another scheme": f"Basic {made.key}",
        "no token": "Bearer ",
        "a session": f"Bearer {session}",
        "of nobody": f"Bearer sk_live_{'A' * 32}",
        "too short": f"Bearer {made.key[:-1]}",
        "too long": f"Bearer {made.key}A",
        "much too long": f"Bearer sk_live_{'A' * 9_000}",
        "in another case": f"Bearer {made.key.swapcase()}",
        "with other letters": f"Bearer sk_live_{'é' * 32}".encode(),
        "the hash": "Bearer " + (await web.db.fetchval("select key_hash from api_keys")).hex(),
    }
    answers = {}
    for name, value in shown.items():
        headers = {} if value is None else {"Authorization": value}
        answer = await web.client.get(WHO, headers=headers)
        answers[name] = (answer.status_code, answer.json())
    refused = {
        "message": "Invalid API key",
        "type": "authentication_error",
        "param": "authorization",
        "code": "invalid_api_key",
    }
    assert answers == dict.fromkeys(shown, (401, {"error": refused}))


async def test_a_key_is_no_session(web: Web, owner: Caller) -> None:
    made = await make_key(owner)
    answer = await web.client.get("/api/credits", headers=made.headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "User not found")


async def test_a_key_without_the_scope_of_a_route_is_refused(web: Web, owner: Caller) -> None:
    silent = await make_key(owner, scopes=["voices:read", "jobs"])
    refused = await silent.ask(SPEAK)
    assert (refused.status_code, refused.json()) == (
        403,
        {
            "error": {
                "message": "This API key lacks the scope speech:generate",
                "type": "permission_error",
                "param": "authorization",
                "code": "missing_scope",
            }
        },
    )
    assert (await (await make_key(owner)).ask(SPEAK)).status_code == 200


async def test_a_row_of_upstream_works_with_upstreams_word_for_the_scope(
    web: Web, owner: Caller
) -> None:
    made = await make_key(owner)
    await web.db.execute("update api_keys set scopes = '{voice:generate}'")
    assert (await made.ask(SPEAK)).status_code == 200
    assert (await made.ask()).json()["scopes"] == ["speech:generate"]


async def test_a_key_revoked_here_stops_at_once(web: Web, owner: Caller) -> None:
    made = await make_key(owner)
    assert (await made.ask()).status_code == 200
    await web.client.delete(f"/api/api-keys/{made.id}", headers=owner.headers)
    assert (await made.ask()).status_code == 401


async def test_a_key_revoked_elsewhere_stops_within_five_seconds(
    web: Web, owner: Caller, clock: MovableClock
) -> None:
    made = await make_key(owner)
    assert (await made.ask()).status_code == 200
    await web.db.execute("update api_keys set is_active = false")
    clock.ahead_s += BELIEVED_S
    assert (await made.ask()).status_code == 401


async def test_a_key_expires_to_the_second_although_it_is_remembered(
    web: Web, owner: Caller, clock: MovableClock
) -> None:
    ends = SystemClock().now() + timedelta(minutes=5)
    made = await make_key(owner, expires_at=ends.isoformat())
    clock.ahead_s = 299
    assert (await made.ask()).status_code == 200
    clock.ahead_s = 300.1
    assert (await made.ask()).status_code == 401


async def test_the_keys_of_a_frozen_account_stop_within_five_seconds(
    web: Web, owner: Caller, clock: MovableClock
) -> None:
    made = await make_key(owner)
    assert (await made.ask()).status_code == 200
    await web.db.execute("update profiles set frozen_at = now()")
    clock.ahead_s += BELIEVED_S
    answer = await made.ask()
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "account_frozen")


async def test_100_requests_at_once_cause_one_look_up(web: Web, owner: Caller, db_dsn: str) -> None:
    made = await make_key(owner)
    locker = await asyncpg.connect(db_dsn)
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    try:
        locked = locker.transaction()
        await locked.start()
        await locker.execute("lock table api_keys in access exclusive mode")
        asking = asyncio.gather(*(made.ask() for _ in range(100)))
        deadline = SystemClock().monotonic() + 10
        while not await web.db.fetchval(waiting):
            assert SystemClock().monotonic() < deadline
        for _ in range(20):
            assert await web.db.fetchval(waiting) == 1
        await locked.rollback()
        assert {answer.status_code for answer in await asking} == {200}
    finally:
        await locker.close()


async def test_who_waits_for_a_look_up_survives_that_its_first_asker_goes_away(
    web: Web, owner: Caller, db_dsn: str
) -> None:
    made = await make_key(owner)
    locker = await asyncpg.connect(db_dsn)
    ring = ring_of(web)
    try:
        locked = locker.transaction()
        await locked.start()
        await locker.execute("lock table api_keys in access exclusive mode")
        first, second = (asyncio.create_task(ring.check(made.key)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait({first})
        await locked.rollback()
        assert str((await second).api_key_id) == made.id
    finally:
        await locker.close()


# --- last use ------------------------------------------------------------------------------------


async def used_at(web: Web) -> datetime | None:
    value: datetime | None = await web.db.fetchval("select last_used_at from api_keys")
    return value


async def test_the_last_use_is_written_at_most_once_a_minute(
    web: Web, owner: Caller, clock: MovableClock
) -> None:
    made, ring = await make_key(owner), ring_of(web)
    assert await used_at(web) is None

    async def use_at(second: float) -> datetime | None:
        clock.ahead_s = second
        assert (await made.ask()).status_code == 200
        await ring.write_uses()
        return await used_at(web)

    first = await use_at(0)
    assert first is not None
    assert [await use_at(second) for second in (1, 20, 59)] == [first] * 3
    later = await use_at(62)
    assert later is not None
    assert 61 < (later - first).total_seconds() < 65


async def test_a_refused_key_was_not_used(web: Web, owner: Caller) -> None:
    made = await make_key(owner)
    await web.db.execute("update api_keys set is_active = false")
    assert (await made.ask()).status_code == 401
    await ring_of(web).write_uses()
    assert await used_at(web) is None


async def test_uses_are_written_when_the_process_ends(db_dsn: str, no_media: Media) -> None:
    async with running_web(web_settings(db_dsn, no_media)) as web:
        add_key_routes(web)
        made = await make_key(await web.account(paid=True))
        await made.ask()
    connection = await asyncpg.connect(db_dsn)
    assert await connection.fetchval("select last_used_at from api_keys") is not None
    await connection.close()


async def test_uses_that_another_process_writes_now_are_left_to_it(
    web: Web, owner: Caller, db_dsn: str
) -> None:
    made, other = await make_key(owner), await make_key(owner)
    await made.ask()
    await other.ask()
    locker = await asyncpg.connect(db_dsn)
    async with locker.transaction():
        await locker.execute("select 1 from api_keys where id = $1 for update", made.id)
        async with asyncio.timeout(5):
            await ring_of(web).write_uses()
    await locker.close()
    written = await web.db.fetch("select id from api_keys where last_used_at is not null")
    assert [str(row["id"]) for row in written] == [other.id]


# --- what it costs -------------------------------------------------------------------------------


async def check_cpu_us(ring: KeyRing, made: Key, *, forget: bool) -> float:
    """Microseconds of this thread's CPU for one check, asked for again each time or remembered."""
    began = time.thread_time()
    for _ in range(CHECKS):
        if forget:
            ring._known.clear()
        await ring.check(made.key)
    return (time.thread_time() - began) / CHECKS * 1e6


async def test_a_check_costs_less_than_a_fifth_of_a_millisecond_of_cpu(
    web: Web, owner: Caller, db_dsn: str
) -> None:
    made = await make_key(owner)
    settings = PostgresSettings.model_validate({"database_url": db_dsn})
    pool = await open_pool(settings, application_name="tests")
    ring = KeyRing(pool, SystemClock(), hmac_secret=API_KEY_SECRET)
    try:
        await ring.check(made.key)
        remembered = await check_cpu_us(ring, made, forget=False)
        looked_up = await check_cpu_us(ring, made, forget=True)
    finally:
        await pool.close()
    print(f"a remembered key: {remembered:.1f} us of CPU, a looked-up key: {looked_up:.1f} us")
    assert remembered < CHECK_CPU_US_MAX / 10
    assert looked_up < CHECK_CPU_US_MAX * 2  # once in five seconds for each key


async def test_a_session_of_somebody_else_is_no_key_either(web: Web) -> None:
    headers = {"Authorization": f"Bearer {session_token()}"}
    assert (await web.client.get(WHO, headers=headers)).status_code == 401
