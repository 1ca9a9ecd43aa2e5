"""
A web process is killed (SIGKILL) at each step of a generation; then the jobs tidy up.

Each time: no debit without stored audio, no stored audio without its debit, and the hold is back.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from billing import generation_charges
from control_plane.settings import WebSettings
from shared.db import open_pool, transaction
from tests.fakes.providers.trouble import Trouble
from tests.integration.speech_rig import COST, TEXT, Speaking, speaking_web, until
from tests.stack import clean_environment
from tests.web_process import Caller, unused_port

MICRO = 1_000_000
START_S = 60.0
WAITING_FOR_A_LOCK = "select exists (select from pg_locks where not granted)"


@asynccontextmanager
async def process_of(settings: WebSettings, **changes: str) -> AsyncIterator[tuple[int, str]]:
    """A web process with these settings: its pid and its address."""
    values = settings.model_dump(mode="python", exclude_none=True)
    secrets = {n: v.get_secret_value() for n, v in values.items() if hasattr(v, "get_secret_value")}
    environment = {n.upper(): str(v) for n, v in {**values, **secrets}.items()}
    port = unused_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *"-m uvicorn control_plane.app:create_app --factory --port".split(),
        str(port),
        env={**clean_environment(), **environment, **changes},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        async with asyncio.timeout(START_S):
            while not await _answers(f"{address}/healthz"):
                await asyncio.sleep(0.05)
        yield process.pid, address
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _answers(url: str) -> bool:
    try:
        async with httpx2.AsyncClient(trust_env=False) as client:
            return (await client.get(url)).is_success
    except httpx2.HTTPError:
        return False


@asynccontextmanager
async def mute_server() -> AsyncIterator[tuple[str, list[object]]]:
    """An address at which somebody listens and never answers, and those who asked."""
    asked: list[object] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    try:
        yield f"http://{host}:{port}", asked
    finally:
        server.close()


async def ask(address: str, speaking: Speaking, caller: Caller, **changes: Any) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as client:
        return await client.post(
            f"{address}/api/generate-voice",
            json={"text": TEXT, "voiceId": speaking.voice(), **changes},
            headers=caller.headers,
        )


async def tidy_up(speaking: Speaking) -> None:
    """What the jobs do, once the time of everything has come."""
    db = speaking.web.db
    past = "clock_timestamp() - interval '1 second'"
    await db.execute(f"update generation_charges set expires_at = {past} where state = 'reserved'")
    await db.execute(f"update loose_objects set sweep_after = {past}")
    pool = await open_pool(speaking.web.settings, application_name="test")
    try:
        async with transaction(pool) as tx:
            await generation_charges.expire(tx)
    finally:
        await pool.close()
    await speaking.retention.round()


Blocked = Callable[[], Awaitable[bool]]


@asynccontextmanager
async def blocked_at(
    step: str, speaking: Speaking, db_dsn: str
) -> AsyncIterator[tuple[Blocked, dict[str, str]]]:
    """Something that stops a generation at `step`: when it has, and settings it needs."""
    async with AsyncExitStack() as stack:
        if step == "provider":
            speaking.openai.trouble = Trouble.STALLS
            yield _truth_of(lambda: bool(speaking.openai.seen)), {}
        elif step == "store":
            address, asked = await stack.enter_async_context(mute_server())
            bucket = {
                "OBJECTS_BUCKET": "b",
                "AWS_ENDPOINT_URL": address,
                "AWS_ACCESS_KEY_ID": "k",
                "AWS_SECRET_ACCESS_KEY": "s",
            }
            yield _truth_of(lambda: bool(asked)), bucket
        else:
            table = {"hold": "loose_objects", "sale": "audio_files"}[step]
            lock = await asyncpg.connect(db_dsn)
            stack.push_async_callback(lock.close)
            await lock.execute(f"begin; lock table {table} in share mode")

            async def waits() -> bool:
                return bool(await speaking.web.db.fetchval(WAITING_FOR_A_LOCK))

            yield waits, {}


def _truth_of(is_so: Callable[[], bool]) -> Blocked:
    async def truth() -> bool:
        return is_so()

    return truth


@pytest.mark.parametrize("step", ["hold", "provider", "store", "sale"])
async def test_a_process_killed_in_the_middle_costs_nobody_anything(
    db_dsn: str, tmp_path: Path, step: str
) -> None:
    async with speaking_web(db_dsn, tmp_path) as speaking:
        caller = await speaking.web.account(balance=10_000, paid=True)
        async with (
            blocked_at(step, speaking, db_dsn) as (is_blocked, changes),
            process_of(speaking.web.settings, **changes) as (pid, address),
        ):
            asked = asyncio.create_task(ask(address, speaking, caller))
            await until(is_blocked)
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(httpx2.HTTPError):
                await asked
        holds = 0 if step == "hold" else 1
        # The session of a killed process ends when Postgres notices.
        await until(lambda: _holds_are(speaking, holds))
        left = len(speaking.stored())
        assert left == (1 if step == "sale" else 0)
        assert await speaking.is_right()  # at once, and not only once it is tidy

        await tidy_up(speaking)

        assert await speaking.balance(caller) == (10_000 * MICRO, 0)
        counts = await speaking.counts()
        assert (counts["objects"], counts["files"], counts["usage"], counts["debits"]) == (0,) * 4
        assert (counts["holds"], counts["loose"]) == (0, 0)
        assert speaking.stored() == []
        assert await speaking.is_right()

        speaking.openai.trouble = None
        answer = await speaking.say(caller)  # life goes on
        assert answer.json()["creditsUsed"] == COST


async def _holds_are(speaking: Speaking, number: int) -> bool:
    idle = (
        "select count(*) from pg_stat_activity where application_name = 'web' and state <> 'idle'"
    )
    gone = await speaking.web.db.fetchval(idle) == 0
    return gone and (await speaking.counts())["holds"] == number


async def test_a_process_killed_after_the_sale_has_sold_what_the_history_shows(
    db_dsn: str, tmp_path: Path
) -> None:
    async with speaking_web(db_dsn, tmp_path) as speaking:
        caller = await speaking.web.account(balance=10_000, paid=True)
        async with process_of(speaking.web.settings) as (pid, address):
            await ask(address, speaking, caller)
            os.kill(pid, signal.SIGKILL)

        await tidy_up(speaking)

        assert await speaking.balance(caller) == ((10_000 - COST) * MICRO, 0)
        [file] = (await caller.get("/api/audio-files")).json()["data"]
        assert (await speaking.web.client.get(file["url"])).content.startswith(b"RIFF")
        assert await speaking.is_right()


async def test_one_of_two_processes_makes_it_while_redis_is_there(
    db_dsn: str, redis_url: str, tmp_path: Path
) -> None:
    async with speaking_web(db_dsn, tmp_path, redis_url=redis_url) as speaking:
        caller = await speaking.web.account(balance=10_000, paid=True)
        async with process_of(speaking.web.settings) as (_, address):
            speaking.openai.trouble, speaking.openai.times = Trouble.IS_AWAY, 1  # half a second
            answers = await asyncio.gather(
                *(ask(address, speaking, caller) for _ in range(10)),
                *(speaking.say(caller) for _ in range(10)),
            )
        assert {answer.status_code for answer in answers} == {200}
        assert len(speaking.openai.seen) == 2
        assert (await speaking.counts())["debits"] == 1


async def test_a_killed_leader_is_waited_for_no_longer_than_its_lock(
    db_dsn: str, redis_url: str, tmp_path: Path
) -> None:
    async with speaking_web(db_dsn, tmp_path, redis_url=redis_url) as speaking:
        caller = await speaking.web.account(balance=10_000, paid=True)
        async with process_of(speaking.web.settings) as (pid, address):
            speaking.openai.trouble = Trouble.STALLS
            asked = asyncio.create_task(ask(address, speaking, caller))
            await until(_truth_of(lambda: bool(speaking.openai.seen)))
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(httpx2.HTTPError):
                await asked
        speaking.openai.trouble = None
        async with asyncio.timeout(45):
            answer = await speaking.say(caller)
        assert answer.json()["creditsUsed"] == COST
        await tidy_up(speaking)
        assert await speaking.balance(caller) == ((10_000 - COST) * MICRO, 0)


async def test_without_redis_both_make_it_and_one_is_sold(db_dsn: str, tmp_path: Path) -> None:
    """An address at which no Redis answers."""
    nowhere = f"redis://127.0.0.1:{unused_port()}/0"
    async with speaking_web(db_dsn, tmp_path, redis_url=nowhere) as speaking:
        caller = await speaking.web.account(balance=10_000, paid=True)
        other = await speaking.web.account(balance=10_000)
        async with process_of(speaking.web.settings) as (_, address):
            lock = await asyncpg.connect(db_dsn)
            await lock.execute("begin; lock table audio_objects in share mode")
            asked = [
                asyncio.create_task(ask(address, speaking, caller)),
                asyncio.create_task(speaking.say(other)),
            ]
            both = "select count(*) = 2 from pg_locks where not granted"

            async def wait() -> bool:
                return bool(await speaking.web.db.fetchval(both))

            await until(wait)
            await lock.close()
            answers = await asyncio.gather(*asked)
        assert [answer.status_code for answer in answers] == [200, 200]
        assert sorted("creditsUsed" in answer.json() for answer in answers) == [False, True]
        counts = await speaking.counts()
        assert (counts["objects"], counts["debits"], counts["holds"]) == (1, 1, 0)
        assert len(speaking.stored()) == 2
        await tidy_up(speaking)
        assert len(speaking.stored()) == 1
        assert await speaking.is_right()
