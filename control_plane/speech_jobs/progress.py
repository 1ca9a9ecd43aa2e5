"""
A job as Server-Sent Events, until it has ended.

Each event has the job's revision as its id, so that a client that comes back (Last-Event-ID) is
told only what has changed since. A stream has a limit in time; clients reconnect by themselves.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from control_plane.speech_jobs.errors import TooManyListeners
from control_plane.store.speech_jobs import Job
from shared.clock import Clock

LISTENERS_MAX: Final = 100  # of one process; each asks the database LOOK_PERIOD_S apart
LOOK_PERIOD_S: Final = 0.5
HEARTBEAT_S: Final = 15.0  # shorter than what proxies allow a silent connection
STREAM_S_MAX: Final = 600.0  # then the client comes again, perhaps to another process
RECONNECT_MS: Final = 2_000
ENDED: Final = frozenset({"succeeded", "failed", "cancelled"})

Look = Callable[[], Awaitable[Job]]
View = Callable[[Job], Awaitable[dict[str, Any]]]


class Listeners:
    """Places of one process."""

    def __init__(self, places: int = LISTENERS_MAX) -> None:
        self._free = places

    @contextmanager
    def place(self) -> Iterator[None]:
        """Raises TooManyListeners."""
        if self._free <= 0:
            raise TooManyListeners
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


async def progress_events(
    look: Look, view: View, *, seen: int, clock: Clock
) -> AsyncGenerator[bytes, None]:
    """
    Events from now until the job has ended, those up to revision `seen` left out.

    The last one is always sent, so that a late client learns of the end.
    """
    yield f"retry: {RECONNECT_MS}\n\n".encode()
    began = told_at = clock.monotonic()
    while clock.monotonic() - began < STREAM_S_MAX:
        job = await look()
        if job.revision > seen or job.state in ENDED:
            seen = job.revision
            told_at = clock.monotonic()
            yield _event(job, await view(job))
            if job.state in ENDED:
                return
        elif clock.monotonic() - told_at >= HEARTBEAT_S:
            told_at = clock.monotonic()
            yield b": still there\n\n"
        await asyncio.sleep(LOOK_PERIOD_S)


def _event(job: Job, data: dict[str, Any]) -> bytes:
    name = f"job.{job.state}" if job.state in ENDED else "job.progress"
    text = json.dumps(data, separators=(",", ":"))
    return f"id: {job.revision}\nevent: {name}\ndata: {text}\n\n".encode()
