"""
Chores of stored audio: old histories go, then audio nobody refers to, then loose objects.

Rows go first and become loose ones in the same transaction; an object is deleted after that, so a
crash leaves work for the next round and never a row without its audio.
"""

from typing import Final

from control_plane.objects.port import ObjectStore
from control_plane.speech.links import LINK_S
from control_plane.speech.settings import RetentionSettings
from control_plane.store import audio_files, audio_objects
from shared.db import Pool, transaction
from shared.log import get_logger

log = get_logger(__name__)

BATCH: Final = 500  # rows of one round; each chore comes again soon


class Retention:
    def __init__(self, pool: Pool, objects: ObjectStore, settings: RetentionSettings) -> None:
        self._pool = pool
        self._objects = objects
        self._settings = settings

    async def round(self) -> int:
        """One batch of everything; how many objects were deleted."""
        await self.age_histories()
        await self.retire_audio()
        return await self.sweep()

    async def age_histories(self) -> None:
        """Free accounts lose what is old; what was deleted long ago cannot be restored any more."""
        settings = self._settings
        restorable_days = settings.audio_free_drop_days - settings.audio_free_history_days
        async with transaction(self._pool) as tx:
            await audio_files.drop_deleted(tx, older_than_days=restorable_days, limit=BATCH)
            await audio_files.hide_old_free(
                tx, older_than_days=settings.audio_free_history_days, limit=BATCH
            )

    async def retire_audio(self) -> None:
        """A link that was given out before still works until it ends."""
        async with transaction(self._pool) as tx:
            await audio_objects.retire(tx, limit=BATCH, sweep_in_s=LINK_S)

    async def sweep(self) -> int:
        """Delete loose objects that are due. Raises StorageAway; the rows stay then."""
        async with transaction(self._pool) as tx:
            keys = await audio_objects.due(tx, limit=BATCH)
        if not keys:
            return 0
        await self._objects.delete(keys)
        async with transaction(self._pool) as tx:
            await audio_objects.forget(tx, keys)
        log.info("objects_swept", count=len(keys))
        return len(keys)
