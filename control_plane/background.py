"""Best-effort work after an answer. Nothing that must happen may run here."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from shared.log import get_logger

log = get_logger(__name__)

TASKS_MAX = 256  # deletions of rooms under way; the jobs find the room of one that was dropped
CLOSE_GRACE_S = 3.0  # as long as one request to the media server may take


class Background:
    """A bounded set of tasks that outlive their request."""

    def __init__(self, *, close_grace_s: float = CLOSE_GRACE_S) -> None:
        self._close_grace_s = close_grace_s
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None], *, kind: str) -> None:
        """Run it soon; dropped, with a log line, when too much is under way already."""
        if len(self._tasks) >= TASKS_MAX:
            work.close()
            log.warning("background_work_dropped", kind=kind)
            return
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    async def close(self) -> None:
        """Wait a little for what is under way, then end it."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=self._close_grace_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.warning("background_work_failed", exc_info=error)
