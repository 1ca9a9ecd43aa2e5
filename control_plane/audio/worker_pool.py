"""
A few audio workers, started when they are needed and replaced when they die.

Whoever gives up waiting (a client that went away) has the worker killed: its work is for nobody.
"""

import asyncio
from typing import Final

from control_plane.audio.limits import WorkerLimits
from control_plane.audio.wire import Header
from control_plane.audio.worker_process import WorkerLost, WorkerProcess
from shared.errors import Unavailable
from shared.log import get_logger

log = get_logger(__name__)

ATTEMPTS_MAX: Final = 2  # whoever killed a worker may be the machine: one more try
TASKS_PER_WORKER_MAX: Final = 1_000  # then a fresh one: what decoders leak is forgotten
QUEUE_TIMEOUT_S: Final = 30.0  # a client does not wait longer than this for its turn
RETRY_AFTER_S: Final = 2
CLOSE_TIMEOUT_S: Final = 5.0  # for killed processes to be gone


class WorkshopBusy(Unavailable):
    """Too much audio is being worked on, please retry"""

    code = "audio_busy"


class WorkerPool:
    """Runs at most `size` tasks at once; `queue_max` more may wait."""

    def __init__(self, *, size: int, queue_max: int, limits: WorkerLimits) -> None:
        self._limits = limits
        self._places = asyncio.Semaphore(size)
        self._tasks_max = size + queue_max
        self._tasks = 0
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()
        self._ending: set[asyncio.Task[int]] = set()

    @property
    def pids(self) -> list[int]:
        """Of all workers that may be alive."""
        return [worker.pid for worker in (*self._idle, *self._busy)]

    async def run(self, task: Header, payload: bytes) -> tuple[Header, bytes]:
        """The worker's answer. Raises WorkshopBusy, Unavailable, and WorkerLost."""
        if self._tasks >= self._tasks_max:
            raise WorkshopBusy(retry_after_s=RETRY_AFTER_S)
        self._tasks += 1
        try:
            await self._wait_for_place()
            try:
                return await self._attempt(task, payload)
            finally:
                self._places.release()
        finally:
            self._tasks -= 1

    async def close(self) -> None:
        """Kill all, wait until they are gone."""
        for worker in (*self._idle, *self._busy):
            self._end(worker)
        self._idle.clear()
        if self._ending:
            await asyncio.wait(self._ending, timeout=CLOSE_TIMEOUT_S)

    async def _wait_for_place(self) -> None:
        try:
            async with asyncio.timeout(QUEUE_TIMEOUT_S):
                await self._places.acquire()
        except TimeoutError:
            raise WorkshopBusy(retry_after_s=RETRY_AFTER_S) from None

    async def _attempt(self, task: Header, payload: bytes) -> tuple[Header, bytes]:
        """Once more after a death that the task need not be guilty of."""
        for _ in range(ATTEMPTS_MAX - 1):
            try:
                return await self._once(task, payload)
            except WorkerLost as lost:
                if lost.is_own_fault:
                    raise
        return await self._once(task, payload)

    async def _once(self, task: Header, payload: bytes) -> tuple[Header, bytes]:
        worker = await self._take()
        is_fit = False
        try:
            async with asyncio.timeout(self._limits.wall_s):
                answer = await worker.ask(task, payload)
            is_fit = worker.tasks_done < TASKS_PER_WORKER_MAX
        except TimeoutError:
            log.warning("audio_worker_late", pid=worker.pid)
            raise Unavailable(retry_after_s=RETRY_AFTER_S) from None
        except WorkerLost as lost:
            log.warning("audio_worker_lost", pid=worker.pid, exit_code=lost.exit_code)
            raise
        finally:
            self._busy.discard(worker)
            if is_fit:
                self._idle.append(worker)
            else:
                self._end(worker)
        return answer

    async def _take(self) -> WorkerProcess:
        """The worker that was used last: its memory is warm, the others may sleep."""
        while self._idle:
            worker = self._idle.pop()
            if worker.is_alive:
                break
            self._end(worker)
        else:
            worker = await WorkerProcess.start(self._limits)
        self._busy.add(worker)
        return worker

    def _end(self, worker: WorkerProcess) -> None:
        worker.kill()
        ending = asyncio.create_task(worker.ended())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
