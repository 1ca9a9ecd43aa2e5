"""
How long what was said in a call is kept: not at all, 30 days, or until it is deleted.

It holds for transcript, title, highlights and analysis alike. Calls, gaps and receipts stay: they
say what was paid, and hold no word of the talk. Memories are their owner's to erase.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from control_plane.after_calls.settings import AfterCallSettings
from control_plane.store import after_calls as store
from shared.db import Pool, Tx, transaction
from shared.log import get_logger

log = get_logger(__name__)

KEPT_DAYS: Final = 30
BATCH: Final = 500


def texts_until(retention: str, ended_at: datetime) -> datetime | None:
    """When the texts of a call that ended go; None: never."""
    if retention == "keep":
        return None
    return ended_at if retention == "none" else ended_at + timedelta(days=KEPT_DAYS)


async def obey(tx: Tx, owner: UUID, retention: str) -> None:
    """Let a new setting hold for all past calls of an account; the sweep does it."""
    await store.reschedule(tx, owner=owner, retention=retention, days=KEPT_DAYS)


class TextRetention:
    """The sweep."""

    def __init__(self, pool: Pool, settings: AfterCallSettings) -> None:
        self._pool = pool
        self._default = settings.call_retention

    async def round(self) -> int:
        """One batch; how many calls lost their texts."""
        async with transaction(self._pool) as tx:
            due = await store.due_texts(tx, limit=BATCH, default_retention=self._default)
            kept = [call.call_id for call in due if call.retention == "keep"]
            gone = [call.call_id for call in due if call.retention != "keep"]
            await store.keep_texts(tx, kept)
            await store.drop_texts(tx, gone)
        if gone:
            log.info("call_texts_swept", count=len(gone))
        return len(gone)
