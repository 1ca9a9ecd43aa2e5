"""Speech as it is made, and clients that go away."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest_asyncio
import uvicorn

from tests.fakes.providers import recordings
from tests.fakes.providers.trouble import Trouble
from tests.integration.speech_rig import COST, TEXT, Speaking, speaking_web, until
from tests.web_process import Caller

MICRO = 1_000_000


@pytest_asyncio.fixture
async def speaking(db_dsn: str, tmp_path: Path) -> AsyncIterator[Speaking]:
    async with speaking_web(db_dsn, tmp_path) as running:
        yield running
        assert await running.is_right()


@pytest_asyncio.fixture
async def caller(speaking: Speaking) -> Caller:
    return await speaking.web.account(balance=10_000, paid=True)


@asynccontextmanager
async def over_tcp(speaking: Speaking) -> AsyncIterator[httpx2.AsyncClient]:
    """The application behind a socket: only there can a client go away."""
    config = uvicorn.Config(speaking.web.app, port=0, lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False
        ) as client:
            yield client
    finally:
        server.should_exit = True
        await serving


def body_of(speaking: Speaking, **changes: Any) -> dict[str, Any]:
    return {"text": TEXT, "voiceId": speaking.voice(), **changes}


async def events_of(answer: httpx2.Response) -> list[tuple[str, dict[str, Any]]]:
    blocks = (await answer.aread()).decode().split("\n\n")
    return [
        (block.split("\n")[0].removeprefix("event: "), json.loads(block.split("data: ")[1]))
        for block in blocks
        if block
    ]


async def test_a_stream_delivers_pcm_and_then_the_bill(speaking: Speaking, caller: Caller) -> None:
    answer = await speaking.say(caller, stream=True)

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    events = await events_of(answer)
    heard = b"".join(base64.b64decode(data["data"]) for name, data in events if name == "audio")
    assert heard == recordings.pcm()
    assert {data["mimeType"] for name, data in events if name == "audio"} == {
        "audio/L16;rate=24000"
    }
    name, done = events[-1]
    assert (name, done["creditsUsed"], done["creditsRemaining"]) == ("done", COST, 10_000 - COST)
    assert (await speaking.web.client.get(done["url"])).content.startswith(b"RIFF")
    counts = await speaking.counts()
    assert (counts["objects"], counts["debits"], counts["holds"]) == (1, 1, 0)


async def test_what_was_made_before_is_streamed_from_the_store(
    speaking: Speaking, caller: Caller
) -> None:
    await speaking.say(caller)
    events = await events_of(await speaking.say(caller, stream=True))
    heard = b"".join(base64.b64decode(data["data"]) for name, data in events if name == "audio")
    assert abs(len(heard) - len(recordings.pcm())) < 4_800
    assert events[-1][0] == "done"
    assert events[-1][1]["cached"] is True
    assert "creditsUsed" not in events[-1][1]
    assert (await speaking.counts())["debits"] == 1


async def test_the_first_sound_does_not_wait_for_the_last(
    speaking: Speaking, caller: Caller
) -> None:
    speaking.openai.pause.clear()
    async with over_tcp(speaking) as client:
        request = client.stream(
            "POST",
            "/api/generate-voice",
            json=body_of(speaking, stream=True),
            headers=caller.headers,
        )
        async with request as answer:
            pieces = answer.aiter_bytes()
            assert (await anext(pieces)).startswith(b"event: audio")
            speaking.openai.pause.set()
            rest = [piece async for piece in pieces]
    assert b"event: done" in b"".join(rest)


async def test_who_hangs_up_in_the_middle_pays_nothing_and_the_provider_stops(
    speaking: Speaking, caller: Caller
) -> None:
    speaking.openai.pause.clear()
    async with over_tcp(speaking) as client:
        request = client.stream(
            "POST",
            "/api/generate-voice",
            json=body_of(speaking, stream=True),
            headers=caller.headers,
        )
        async with request as answer:
            await anext(answer.aiter_bytes())
            assert (await speaking.counts())["holds"] == 1
        await until(lambda: _free(speaking))
        await until(lambda: _left(speaking))
    assert await speaking.balance(caller) == (10_000 * MICRO, 0)
    counts = await speaking.counts()
    assert (counts["objects"], counts["debits"], counts["released"]) == (0, 0, 1)


async def _free(speaking: Speaking) -> bool:
    return (await speaking.counts())["holds"] == 0


async def _left(speaking: Speaking) -> bool:
    return speaking.openai.gone == 1


async def test_a_stream_that_breaks_off_says_so_and_costs_nothing(
    speaking: Speaking, caller: Caller
) -> None:
    speaking.openai.pause.clear()
    async with over_tcp(speaking) as client:
        request = client.stream(
            "POST",
            "/api/generate-voice",
            json=body_of(speaking, stream=True),
            headers=caller.headers,
        )
        async with request as answer:
            pieces = answer.aiter_bytes()
            await anext(pieces)
            speaking.openai.trouble = Trouble.HANGS_UP
            speaking.openai.pause.set()
            rest = b"".join([piece async for piece in pieces])
    assert b"event: error" in rest
    assert await speaking.balance(caller) == (10_000 * MICRO, 0)
    assert (await speaking.counts())["debits"] == 0


async def test_refusals_before_the_first_sound_have_their_status(speaking: Speaking) -> None:
    poor = await speaking.web.account(balance=1)
    rich = await speaking.web.account(balance=1_000_000)
    refused = await speaking.say(poor, stream=True)
    speaking.openai.trouble = Trouble.REFUSES_CONTENT
    forbidden = await speaking.say(rich, stream=True)
    assert (refused.status_code, refused.json()["error"]) == (402, "Insufficient credits")
    assert forbidden.status_code == 422
    assert (await speaking.counts())["holds"] == 0


async def test_a_client_that_leaves_ends_the_work_and_frees_the_hold(
    speaking: Speaking, caller: Caller
) -> None:
    speaking.openai.trouble = Trouble.STALLS
    async with over_tcp(speaking) as client:
        asked = asyncio.create_task(
            client.post("/api/generate-voice", json=body_of(speaking), headers=caller.headers)
        )
        await until(lambda: _asked(speaking))
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await until(lambda: _free(speaking))
        await until(lambda: _left(speaking))
    assert await speaking.balance(caller) == (10_000 * MICRO, 0)


async def _asked(speaking: Speaking) -> bool:
    return bool(speaking.openai.seen)


def _waiting(speaking: Speaking, number: int) -> Callable[[], Awaitable[bool]]:
    """Whether so many orders wait for audio."""

    async def is_so() -> bool:
        return speaking.web.app.state.services.desk.unanswered == number and await _asked(speaking)

    return is_so


async def test_work_goes_on_when_its_first_client_leaves_and_others_wait(
    speaking: Speaking, caller: Caller
) -> None:
    other = await speaking.web.account(balance=10_000)
    speaking.openai.pause.clear()
    async with over_tcp(speaking) as client:
        first = asyncio.create_task(
            client.post("/api/generate-voice", json=body_of(speaking), headers=caller.headers)
        )
        await until(_waiting(speaking, 1))
        second = asyncio.create_task(speaking.say(other))
        await until(_waiting(speaking, 2))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await until(_waiting(speaking, 1))
        speaking.openai.pause.set()
        answer = await second
    assert answer.json()["creditsUsed"] == COST
    assert await speaking.balance(caller) == (10_000 * MICRO, 0)
    assert (len(speaking.openai.seen), speaking.openai.gone) == (1, 0)


async def test_the_last_one_who_leaves_ends_the_work(speaking: Speaking, caller: Caller) -> None:
    speaking.openai.pause.clear()
    async with over_tcp(speaking) as client:
        asked = [
            asyncio.create_task(
                client.post("/api/generate-voice", json=body_of(speaking), headers=caller.headers)
            )
            for _ in range(3)
        ]
        await until(_waiting(speaking, 3))
        for each in asked:
            each.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        await until(_waiting_for_nothing(speaking))
    assert (len(speaking.openai.seen), speaking.openai.gone) == (1, 1)
    assert await speaking.balance(caller) == (10_000 * MICRO, 0)


def _waiting_for_nothing(speaking: Speaking) -> Callable[[], Awaitable[bool]]:
    async def is_so() -> bool:
        return await _waiting(speaking, 0)() and await _left(speaking) and await _free(speaking)

    return is_so


async def test_who_heard_it_all_pays_also_without_waiting_for_the_bill(
    speaking: Speaking, caller: Caller, db_dsn: str
) -> None:
    """Else every stream is free for those who hang up in time."""
    lock = await asyncpg.connect(db_dsn)
    await lock.execute("begin; lock table audio_files in share mode")
    heard = 0
    async with over_tcp(speaking) as client:
        request = client.stream(
            "POST",
            "/api/generate-voice",
            json=body_of(speaking, stream=True),
            headers=caller.headers,
        )
        async with request as answer:
            whole = len(base64.b64encode(recordings.pcm()))
            async for piece in answer.aiter_bytes():
                heard += len(piece)
                if heard > whole and await _sale_waits(speaking):
                    break
            else:
                raise AssertionError("the stream ended before it was paid")
        await lock.close()
        await until(lambda: _free(speaking))
    assert await speaking.balance(caller) == ((10_000 - COST) * MICRO, 0)
    assert (await speaking.counts())["files"] == 1


async def _sale_waits(speaking: Speaking) -> bool:
    waiting = "select exists (select from pg_locks where not granted)"

    async def is_so() -> bool:
        return bool(await speaking.web.db.fetchval(waiting))

    await until(is_so)
    return True


async def test_a_stream_that_cannot_be_sold_ends_with_an_error(
    speaking: Speaking, caller: Caller, db_dsn: str
) -> None:
    lock = await asyncpg.connect(db_dsn)
    await lock.execute("begin; lock table audio_files in share mode")
    asked = asyncio.create_task(speaking.say(caller, stream=True))
    await _sale_waits(speaking)
    await speaking.web.db.execute(
        "select pg_terminate_backend(pid) from pg_locks where not granted"
    )
    await lock.close()
    name, data = (await events_of(await asked))[-1]
    assert (name, data["code"]) == ("error", "unavailable")
    assert await speaking.balance(caller) == (10_000 * MICRO, 0)
