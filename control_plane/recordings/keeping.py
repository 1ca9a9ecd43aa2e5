"""
Recordings on their way into the object store and out of it.

An object is announced before it is written and fastened in the transaction of its row, so a crash
leaves an object that the jobs sweep, and never a row without its audio. Rows go first on the way
out; their objects are deleted at once, and by the jobs where the store is away.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from control_plane.objects.port import ObjectStore, StorageAway
from control_plane.recordings.ogg import duration_ms
from control_plane.recordings.settings import RecordingSettings
from control_plane.store import audio_objects
from control_plane.store import recordings as store
from shared import metrics
from shared.clock import Clock
from shared.db import Pool, Tx, transaction
from shared.errors import Conflict
from shared.ids import new_uuid
from shared.log import get_logger
from shared.recording_protocol import RECORDING_MEDIA_TYPE

log = get_logger(__name__)

WRITTEN_WITHIN_S: Final = 600.0  # an object without a row by then belongs to nobody
DELIVERED_WITHIN: Final = timedelta(days=7)  # of the call's end; agents give up then, too


class NoConsent(Conflict):
    """Nobody has said yes to this recording, or it was taken back"""

    code = "no_recording_consent"


class Recordings:
    """One a request: the pieces that it needs of the services."""

    def __init__(
        self, pool: Pool, objects: ObjectStore, *, settings: RecordingSettings, clock: Clock
    ) -> None:
        self._pool = pool
        self._objects = objects
        self._settings = settings
        self._clock = clock

    async def keep(self, call_id: UUID, *, epoch: int, data: bytes) -> None:
        """Store a recording; one that is there already changes nothing. Raises NoConsent."""
        lasted_ms = duration_ms(data)
        key = f"recordings/{new_uuid().hex}.ogg"
        async with transaction(self._pool) as tx:
            await self._check(tx, call_id, epoch=epoch)
            await audio_objects.loosen(tx, object_key=key, sweep_in_s=WRITTEN_WITHIN_S)
        await self._objects.put(key, data, media_type=RECORDING_MEDIA_TYPE)
        async with transaction(self._pool) as tx:
            await self._check(tx, call_id, epoch=epoch)
            is_new = await store.insert(
                tx,
                call_id,
                epoch=epoch,
                object_key=key,
                size_bytes=len(data),
                duration_ms=lasted_ms,
            )
            if is_new:
                await audio_objects.fasten(tx, key)
        metrics.RECORDINGS.labels("kept" if is_new else "repeated").inc()
        log.info("recording_kept", call_id=str(call_id), seconds=lasted_ms // 1_000)

    async def withdraw(self, call_id: UUID, *, owner: UUID | None = None) -> int:
        """Take back the consent and delete what was recorded; how many recordings that were."""
        async with transaction(self._pool) as tx:
            await store.withdraw(tx, call_id, owner=owner)
            keys = await store.drop(tx, [call_id], owner=owner)
        metrics.RECORDINGS.labels("withdrawn").inc()
        log.info("recording_withdrawn", call_id=str(call_id), count=len(keys))
        await self._delete(keys)
        return len(keys)

    async def _check(self, tx: Tx, call_id: UUID, *, epoch: int) -> None:
        """Raises NoConsent. What was found stays so until the transaction ends."""
        await store.hold_texts(tx, call_id)
        if not await store.lock_yes(tx, call_id, epoch=epoch):
            raise NoConsent
        standing = await store.standing_of(
            tx, call_id, default_retention=self._settings.call_retention
        )
        assert standing is not None, "a consent refers to its call"
        if standing.retention == "none":
            raise NoConsent("Nothing of this call is to be kept")
        ended_at = standing.ended_at
        if ended_at is not None and self._clock.now() - ended_at > DELIVERED_WITHIN:
            raise NoConsent("This recording comes too late")

    async def _delete(self, keys: list[str]) -> None:
        if not keys:
            return
        try:
            await self._objects.delete(keys)
        except StorageAway:
            return  # the keys are loose: the jobs delete them
        async with transaction(self._pool) as tx:
            await audio_objects.forget(tx, keys)
