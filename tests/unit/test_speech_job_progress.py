"""Streams of progress are bounded in number and time, and never silent for long."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from control_plane.speech_jobs.errors import TooManyListeners
from control_plane.speech_jobs.progress import (
    HEARTBEAT_S,
    STREAM_S_MAX,
    Listeners,
    progress_events,
)
from control_plane.store.speech_jobs import Job
from shared.ids import new_uuid


class LoopClock:
    """The time of the test's loop."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.monotonic(), UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def job(state: str = "running", revision: int = 1) -> Job:
    return Job(
        id=new_uuid(),
        state=state,
        wish={},
        input_characters=10,
        parts_total=3,
        parts_done=1,
        revision=revision,
        object_key=None,
        duration_ms=None,
        provider_model=None,
        cost=0,
        error_code=None,
        charge_id=new_uuid(),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        started_at=None,
        ended_at=None,
    )


async def view(_job: Job) -> dict[str, Any]:
    return {}


@pytest.mark.virtual_time
async def test_a_job_that_does_not_move_is_told_once_with_heartbeats_until_the_limit() -> None:
    still = job()

    async def look() -> Job:
        return still

    clock = LoopClock()
    began = clock.monotonic()
    events = [event async for event in progress_events(look, view, seen=0, clock=clock)]

    assert clock.monotonic() - began == pytest.approx(STREAM_S_MAX, abs=1)
    retry, told, *beats = events
    assert retry == b"retry: 2000\n\n"
    assert told.startswith(b"id: 1\nevent: job.progress\n")
    assert set(beats) == {b": still there\n\n"}
    assert len(beats) == pytest.approx(STREAM_S_MAX / HEARTBEAT_S, abs=2)


@pytest.mark.virtual_time
async def test_each_change_is_told_once() -> None:
    states = [job(revision=n // 4 + 1) for n in range(12)] + [job("failed", revision=4)]

    async def look() -> Job:
        return states.pop(0)

    events = [event async for event in progress_events(look, view, seen=1, clock=LoopClock())]

    assert [event.split(b"\n")[0] for event in events[1:]] == [b"id: 2", b"id: 3", b"id: 4"]
    assert b"event: job.failed" in events[-1]


def test_there_is_a_place_for_so_many_listeners_and_it_is_given_back() -> None:
    listeners = Listeners(2)

    with listeners.place(), listeners.place(), pytest.raises(TooManyListeners):
        listeners.place().__enter__()

    with listeners.place():
        pass
