"""`uvicorn control_plane.app:create_app` as a process, and a program that asks it over a socket."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx2

from control_plane.app import build_app
from shared.clock import SystemClock
from tests.fakes.reading_voice import ReadingVoice
from tests.integration.program import Program, program_of, program_settings, until
from tests.stack import clean_environment
from tests.web_process import Media, Web, unused_port, web_settings

ROOT = Path(__file__).parents[2]
START_S = 60.0


@asynccontextmanager
async def served_program(
    db_dsn: str,
    media: Media,
    voice: ReadingVoice,
    *,
    balance: int = 10_000,
    pids: list[int] | None = None,
    **changes: str,
) -> AsyncIterator[Program]:
    """Its client's `base_url` is the address of the process, whose id is added to `pids`."""
    port = unused_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *"-m uvicorn control_plane.app:create_app --factory --host 127.0.0.1 --port".split(),
        str(port),
        cwd=ROOT,
        env={**clean_environment(), **_environment(db_dsn, media, voice, port), **changes},
        stderr=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )
    if pids is not None:
        pids.append(process.pid)
    settings = web_settings(db_dsn, media, **program_settings(db_dsn, media, voice))
    db = await asyncpg.connect(db_dsn)
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            await until(lambda: _answers(client), deadline_s=START_S)
            web = Web(build_app(settings, clock=SystemClock()), client, db, settings)
            yield await program_of(web, balance=balance)
    finally:
        await db.close()
        if process.returncode is None:
            os.kill(process.pid, signal.SIGTERM)
        await process.wait()


def _environment(db_dsn: str, media: Media, voice: ReadingVoice, port: int) -> dict[str, str]:
    """The tests' settings as variables."""
    settings = web_settings(
        db_dsn,
        media,
        **program_settings(db_dsn, media, voice, public_url=f"http://127.0.0.1:{port}"),
    )
    values = settings.model_dump(exclude_none=True)
    return {
        name.upper(): value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
        for name, value in values.items()
    }


async def _answers(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/healthz")).status_code == 200
    except httpx2.TransportError:
        return False
