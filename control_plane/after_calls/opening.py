"""The work after calls with the real things around it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from control_plane.after_calls.note_taker import open_note_taker
from control_plane.after_calls.work import AfterCallSettingsOfWork, AfterCallWork
from control_plane.memories.embedding import open_embedder
from control_plane.speech.settings import TextSettings
from control_plane.store.memories import prepare_vectors
from shared.db import Pool, transaction
from shared.log import get_logger

log = get_logger(__name__)


class AfterCallWorkSettings(AfterCallSettingsOfWork, TextSettings):
    """What this part of the jobs process composes."""


async def _prepare(pool: Pool) -> None:
    """Where this role may not, it stays as the release has left it."""
    try:
        async with transaction(pool) as tx:
            log.info("memories_compared_by", kind=await prepare_vectors(tx))
    except asyncpg.InsufficientPrivilegeError:
        log.info("memories_compared_as_released")


@asynccontextmanager
async def open_after_calls(
    settings: AfterCallWorkSettings, *, pool: Pool
) -> AsyncIterator[AfterCallWork]:
    await _prepare(pool)
    note_taker = open_note_taker(settings)
    embedder = open_embedder(settings)
    try:
        yield AfterCallWork(pool, note_taker=note_taker, embedder=embedder, settings=settings)
    finally:
        if note_taker:
            await note_taker.close()
        await embedder.close()
