"""Workers of speech jobs: inside the test, or as processes that can be killed."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from control_plane.speech_jobs.opening import SpeechWorkSettings, open_speech_worker
from shared.clock import SystemClock
from shared.db import open_pool
from shared.settings import PostgresSettings
from tests.fakes.reading_voice import ReadingVoice
from tests.integration.program import NO_PROVIDERS, Program, until
from tests.stack import clean_environment
from tests.web_process import OBJECT_LINK_SECRET, OBJECTS_DIR, unused_port

ROOT = Path(__file__).parents[2]
SENTENCE = "Number {n:03} of the sentences that this long text is made of, no more and no less. "


def long_text(sentences: int) -> str:
    """About 83 characters a sentence, each to be told apart."""
    return "".join(SENTENCE.format(n=n) for n in range(sentences)).strip()


@asynccontextmanager
async def worker_here(db_dsn: str, voice: ReadingVoice, **changes: Any) -> AsyncIterator[None]:
    """A worker of this process, until the block ends; it gives back then what it has."""
    settings = SpeechWorkSettings.model_validate(
        {
            **NO_PROVIDERS,
            "local_voice_url": voice.url,
            "objects_bucket": None,
            "objects_dir": OBJECTS_DIR,
            "object_link_secret": OBJECT_LINK_SECRET,
            **changes,
        }
    )
    database = PostgresSettings.model_validate({"database_url": db_dsn})
    pool = await open_pool(database, application_name="speech jobs")
    async with open_speech_worker(settings, pool=pool, clock=SystemClock()) as worker:
        running = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
    await pool.close()


@asynccontextmanager
async def jobs_process(
    db_dsn: str, voice: ReadingVoice, **changes: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m control_plane.jobs`; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "control_plane.jobs",
        cwd=ROOT,
        env={
            **clean_environment(),
            "DATABASE_URL": db_dsn,
            "LIVEKIT_URL": f"ws://127.0.0.1:{unused_port()}",
            "LIVEKIT_API_KEY": "key",
            "LIVEKIT_API_SECRET": "a secret of nobody, but long enough",
            "LOCAL_VOICE_URL": voice.url,
            "OBJECTS_DIR": OBJECTS_DIR,
            "OBJECT_LINK_SECRET": OBJECT_LINK_SECRET,
            **changes,
        },
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGKILL)
        await process.wait()


async def job_in(program: Program, job_id: str, *states: str) -> dict[str, Any]:
    """The job as soon as it is in one of `states`."""

    async def look() -> dict[str, Any] | None:
        job: dict[str, Any] = (await program.get(f"/api/v1/jobs/{job_id}")).json()
        return job if job["status"] in states else None

    found: dict[str, Any] = await until(look)
    return found


async def parts_done(program: Program, job_id: str, count: int) -> None:
    """Returns when at least `count` pieces are kept."""

    async def look() -> bool:
        job = (await program.get(f"/api/v1/jobs/{job_id}")).json()
        return bool(job["parts"]["done"] >= count)

    await until(look)
