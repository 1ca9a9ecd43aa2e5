"""
Settles what comes in at the same time in one statement.

A statement costs the database as much as some dozens of calls in it, so while one is under way the
reports of other workers are gathered for the next. Nobody waits when nothing is under way. Merging
is right by the algebra of the reports: a batch ends as its parts would, one after the other.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from billing import charging
from billing.settings import ChargingSettings
from shared.call_protocol import CallReport, Grant
from shared.db import CONNECT_TIMEOUT_S, Pool

BATCH_CALLS_MAX = 2_000  # about 50 ms of one database core, and of the locks it holds
STATEMENTS_MAX = 2  # at once; more would only wait for the same cores


@dataclass(slots=True)
class _Waiting:
    reports: Sequence[CallReport]
    answer: "asyncio.Future[list[Grant]]"


class Settler:
    """One a process."""

    def __init__(self, pool: Pool, settings: ChargingSettings) -> None:
        self._pool = pool
        self._settings = settings
        self._waiting: deque[_Waiting] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def settle(self, reports: Sequence[CallReport]) -> list[Grant]:
        """One answer a distinct call. Raises what the database raised; then nothing is known."""
        mine = _Waiting(reports, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        if len(self._running) < STATEMENTS_MAX:
            task = asyncio.create_task(self._work())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await mine.answer

    async def _work(self) -> None:
        while self._waiting:
            batch = self._take()
            try:
                grants = await self._settle_now([r for w in batch for r in w.reports])
            except Exception as error:  # noqa: BLE001 - each request raises it at its edge
                for waiting in batch:
                    if not waiting.answer.done():
                        waiting.answer.set_exception(error)
                continue
            for waiting in batch:
                if not waiting.answer.done():  # its client may have gone
                    ids = {report.id for report in waiting.reports}
                    waiting.answer.set_result([grants[id_] for id_ in sorted(ids)])

    def _take(self) -> list[_Waiting]:
        batch = [self._waiting.popleft()]
        calls = len(batch[0].reports)
        while self._waiting and calls + len(self._waiting[0].reports) <= BATCH_CALLS_MAX:
            batch.append(self._waiting.popleft())
            calls += len(batch[-1].reports)
        return batch

    async def _settle_now(self, reports: list[CallReport]) -> dict[UUID, Grant]:
        # One statement, so it is a transaction by itself: two round trips fewer.
        async with self._pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
            grants = await charging.settle(connection, reports, self._settings)
        return {grant.id: grant for grant in grants}
