"""
Cloned voices end: their consent is withdrawn, their recording was kept long enough, or their owner
deletes them.

The rows change in one transaction, in which every object that has to go becomes a loose one. The
objects are deleted after it; what a crash leaves behind, the sweep of loose objects deletes.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from control_plane.errors import VoiceNotFound
from control_plane.objects.port import ObjectStore, StorageAway
from control_plane.store import audio_objects, clones, consents
from shared.db import Pool, Tx, transaction
from shared.log import get_logger

log = get_logger(__name__)

RETIRED_AT_ONCE: Final = 100  # voices in one transaction of the chore
CHALLENGES_KEPT_S: Final = 24 * 3600  # after their end, to say "ended" and not "unknown"


async def retire_voices(
    tx: Tx, voice_ids: Sequence[UUID], *, reason: str, purge_audio: bool
) -> list[str]:
    """Disable them for good; the keys of the objects to delete once `tx` is committed."""
    keys = await clones.retire(tx, list(voice_ids), reason=reason)
    if purge_audio:
        keys += await clones.purge_audio(tx, list(voice_ids))
    return keys


async def drop_objects(pool: Pool, objects: ObjectStore, keys: Sequence[str]) -> None:
    """Delete loose objects now. Storage that is away is no error: they are swept later."""
    if not keys or not await _are_deleted(objects, keys):
        return
    async with transaction(pool) as tx:
        await audio_objects.forget(tx, keys)


async def delete_clone(pool: Pool, objects: ObjectStore, *, owner: UUID, voice_id: UUID) -> None:
    """One's own clone with its recording and its audio. Raises VoiceNotFound."""
    async with transaction(pool) as tx:
        if not await clones.lock_own_clone(tx, voice_id, owner=owner):
            raise VoiceNotFound
        keys = await retire_voices(tx, [voice_id], reason="deleted", purge_audio=True)
    await drop_objects(pool, objects, keys)


async def retire_expired(pool: Pool, objects: ObjectStore) -> int:
    """
    Let go of recordings past their time; returns how many. For the jobs.

    What was generated with the voice stays in its owner's history: only its source is deleted.
    """
    async with transaction(pool) as tx:
        voices = await clones.lock_expired(tx, limit=RETIRED_AT_ONCE)
        keys = await retire_voices(tx, voices, reason="expired", purge_audio=False)
        await consents.purge_challenges(tx, ended_for_s=CHALLENGES_KEPT_S)
    await drop_objects(pool, objects, keys)
    if voices:
        log.info("clones_retired", count=len(voices))
    return len(voices)


async def _are_deleted(objects: ObjectStore, keys: Sequence[str]) -> bool:
    is_away = False
    try:
        await objects.delete(keys)
    except* StorageAway:
        is_away = True
        log.warning("objects_left_to_the_sweep", count=len(keys), dependency="objects")
    return not is_away
