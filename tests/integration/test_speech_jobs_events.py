"""Progress of a job as Server-Sent Events, over a socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from tests.fakes.reading_voice import ReadingVoice, reading_voice
from tests.integration.job_workers import long_text, parts_done, worker_here
from tests.integration.program import Program, until
from tests.integration.served_web import served_program
from tests.web_process import Media

JOBS = "/api/v1/jobs"


@pytest_asyncio.fixture
async def voice() -> AsyncIterator[ReadingVoice]:
    async with reading_voice() as running:
        yield running


@pytest_asyncio.fixture
async def program(db_dsn: str, no_media: Media, voice: ReadingVoice) -> AsyncIterator[Program]:
    async with served_program(db_dsn, no_media, voice) as asking:
        yield asking


async def ask(program: Program) -> str:
    body = {"input": long_text(24), "voice": "ara", "model": "local"}
    job_id: str = (await program.post(JOBS, body)).json()["id"]
    return job_id


async def events_of(
    program: Program, job_id: str, *, last_event_id: str | None = None
) -> AsyncIterator[dict[str, Any]]:
    """Each with its id, event and data, until the stream ends."""
    headers = dict(program.headers)
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    async with program.web.client.stream(
        "GET", f"{JOBS}/{job_id}/events", headers=headers, timeout=60
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        event: dict[str, Any] = {}
        async for line in answer.aiter_lines():
            name, _, value = line.partition(": ")
            if line == "" and "data" in event:
                yield event
                event = {}
            elif name == "data":
                event["data"] = json.loads(value)
            elif name in {"id", "event"}:
                event[name] = value


async def test_progress_is_told_until_the_end(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    job_id = await ask(program)

    async with worker_here(db_dsn, voice):
        events = [event async for event in events_of(program, job_id)]

    assert {event["event"] for event in events[:-1]} == {"job.progress"}
    assert events[-1]["event"] == "job.succeeded"
    assert events[-1]["data"]["url"]
    ids = [int(event["id"]) for event in events]
    assert ids == sorted(set(ids))
    progress = [event["data"]["progress"] for event in events]
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0.0, 1.0)


async def test_who_comes_back_is_told_what_is_new(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    voice.held_text = "Number 010"
    voice.gate.clear()
    job_id = await ask(program)
    async with worker_here(db_dsn, voice):
        await parts_done(program, job_id, 1)
        first = await anext(aiter(events_of(program, job_id)))
        coming = asyncio.create_task(_all(program, job_id, last_event_id=first["id"]))
        await asyncio.sleep(1.2)  # twice as long as a stream waits between two looks
        assert not coming.done()
        voice.gate.set()
        later = await asyncio.wait_for(coming, 30)

    assert all(int(event["id"]) > int(first["id"]) for event in later)
    assert later[-1]["event"] == "job.succeeded"


async def test_an_ended_job_is_told_once_however_late(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    job_id = await ask(program)
    await program.post(f"{JOBS}/{job_id}/cancel")

    events = await _all(program, job_id, last_event_id="99")

    assert [event["event"] for event in events] == ["job.cancelled"]


async def test_a_cancel_reaches_who_listens(program: Program) -> None:
    job_id = await ask(program)
    listening = asyncio.create_task(_all(program, job_id))
    await until(lambda: _asked(program, f"{JOBS}/{job_id}"))

    await program.post(f"{JOBS}/{job_id}/cancel")

    events = await asyncio.wait_for(listening, 10)
    assert events[-1]["event"] == "job.cancelled"


async def _all(
    program: Program, job_id: str, *, last_event_id: str | None = None
) -> list[dict[str, Any]]:
    return [event async for event in events_of(program, job_id, last_event_id=last_event_id)]


async def _asked(program: Program, path: str) -> bool:
    return (await program.get(path)).status_code == 200
