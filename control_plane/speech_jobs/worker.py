"""
Works jobs off, in any number of processes: each job belongs to whoever holds its lease.

A worker that dies is silent; when its lease ends another takes the job and goes on with the pieces
that are missing. A worker that lost its lease changes nothing any more.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final
from uuid import UUID

from billing import generation_charges as charges
from billing.generation_charges import ReleaseReason
from control_plane.lanes import DATABASE_ERRORS, run_lanes
from control_plane.speech_jobs.errors import JobAbandoned, JobExpired, LeaseLost
from control_plane.speech_jobs.settings import SpeechJobSettings
from control_plane.store import speech_jobs as store
from control_plane.store.speech_jobs import TakenJob
from control_plane.tts.port import NoAudio, ProhibitedContent
from shared import metrics
from shared.clock import Clock
from shared.db import Pool, transaction
from shared.errors import AppError
from shared.ids import new_uuid
from shared.log import get_logger

log = get_logger(__name__)

TAKES_MAX: Final = 5  # a job that has ended so many workers ends no more
RENEWALS_A_LEASE: Final = 3  # two of them may be lost
GIVE_BACK_S: Final = 3.0  # at the end of the process; else the lease ends by itself

Work = Callable[[TakenJob, UUID], Awaitable[None]]


class SpeechJobWorker:
    """`work` speaks and delivers a job for the lease it is given (see `speaking.py`)."""

    def __init__(self, pool: Pool, work: Work, clock: Clock, settings: SpeechJobSettings) -> None:
        self._pool = pool
        self._work = work
        self._clock = clock
        self._settings = settings

    async def run(self) -> None:
        """Until cancelled; jobs under way are given back then."""
        await run_lanes(self._settings.speech_jobs_at_once, self.work_once, kind="speech_job")

    async def work_once(self) -> bool:
        """Take one job and work on it to its end; False when there was none."""
        token = new_uuid()
        async with transaction(self._pool) as tx:
            job = await store.take(
                tx,
                token=token,
                lease_s=self._settings.speech_job_lease_s,
                user_max=self._settings.speech_jobs_of_account,
            )
        if job is None:
            return False
        log.info("speech_job_taken", job_id=str(job.id), attempt=job.takes)
        await self._attend(job, token)
        return True

    async def _attend(self, job: TakenJob, token: UUID) -> None:
        """Work while the lease is kept; whichever ends first ends the other."""
        working = asyncio.create_task(self._ended(job, token))
        keeping = asyncio.create_task(self._keep_lease(job.id, token))
        try:
            await asyncio.wait({working, keeping}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            with suppress(*DATABASE_ERRORS, TimeoutError):
                await asyncio.wait_for(self._give_back(job.id, token), GIVE_BACK_S)
            raise
        finally:
            for task in (working, keeping):
                task.cancel()
            await asyncio.gather(working, keeping, return_exceptions=True)

    async def _ended(self, job: TakenJob, token: UUID) -> None:
        """Bring the job to an end of its own, or leave it to who takes it next."""
        try:
            _check(job)
            await self._work(job, token)
            metrics.SPEECH_JOBS_ENDED.labels("succeeded").inc()
        except LeaseLost:
            log.info("speech_job_left", job_id=str(job.id))
        except AppError as error:
            await self._fail(job, token, error)
        except DATABASE_ERRORS as error:
            log.warning("speech_job_interrupted", job_id=str(job.id), exc_info=error)
        except Exception:
            # Nobody repairs it by hand: it is tried again, TAKES_MAX times, when the lease ends.
            log.exception("speech_job_broke", job_id=str(job.id))

    async def _fail(self, job: TakenJob, token: UUID, error: AppError) -> None:
        """The end of the job, and its hold back, together."""
        try:
            async with transaction(self._pool) as tx:
                if not await store.lock(tx, job_id=job.id, token=token):
                    return
                await charges.release(tx, charge_id=job.charge_id, reason=_reason(error))
                await store.fail(tx, job_id=job.id, error_code=error.code)
        except DATABASE_ERRORS:
            log.warning("speech_job_interrupted", job_id=str(job.id), code=error.code)
            return
        metrics.SPEECH_JOBS_ENDED.labels("failed").inc()
        log.warning("speech_job_failed", job_id=str(job.id), code=error.code)

    async def _keep_lease(self, job_id: UUID, token: UUID) -> None:
        """Returns when the lease is lost: taken by another, cancelled, overdue, or run out."""
        lease_s = self._settings.speech_job_lease_s
        renewed_at = self._clock.monotonic()
        while self._clock.monotonic() - renewed_at < lease_s:
            await asyncio.sleep(lease_s / RENEWALS_A_LEASE)
            with suppress(*DATABASE_ERRORS):
                began = self._clock.monotonic()
                async with transaction(self._pool) as tx:
                    if not await store.renew(tx, job_id=job_id, token=token, lease_s=lease_s):
                        return
                renewed_at = began

    async def _give_back(self, job_id: UUID, token: UUID) -> None:
        async with transaction(self._pool) as tx:
            await store.give_back(tx, job_id=job_id, token=token)


def _check(job: TakenJob) -> None:
    """Raises JobExpired or JobAbandoned."""
    if job.is_overdue:
        raise JobExpired
    if job.takes > TAKES_MAX:
        raise JobAbandoned


def _reason(error: AppError) -> ReleaseReason:
    if isinstance(error, ProhibitedContent):
        return ReleaseReason.REFUSED
    return ReleaseReason.BAD_AUDIO if isinstance(error, NoAudio) else ReleaseReason.FAILED
