"""SQL of an account's history of generated audio. Deleting is a mark that can be taken back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx

INSERT = """
insert into audio_files(id, user_id, voice_id, object_key, charge_id, text_content, model,
  source_type, cost, duration_ms, usage, api_key_id, request_id)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""

COUNT = "select count(*) from audio_files where user_id = $1 and status = $2"

LIST = """
select f.id, f.voice_id, v.name as voice_name, f.object_key, o.audio_format, f.text_content,
  f.model, f.source_type, f.cost, f.duration_ms, f.usage, f.request_id, f.status, f.created_at,
  f.deleted_at
from audio_files f
join voices v on v.id = f.voice_id
left join audio_objects o on o.object_key = f.object_key
where f.user_id = $1 and f.status = $2 order by f.created_at desc, f.id desc limit $3 offset $4
"""

FIND = """
select f.id, f.voice_id, v.name as voice_name, f.object_key, o.audio_format, f.text_content,
  f.model, f.source_type, f.cost, f.duration_ms, f.usage, f.request_id, f.status, f.created_at,
  f.deleted_at
from audio_files f
join voices v on v.id = f.voice_id
left join audio_objects o on o.object_key = f.object_key
where f.id = $1 and f.user_id = $2
"""

DELETE = """
update audio_files set status = 'deleted', deleted_at = coalesce(deleted_at, clock_timestamp())
where id = $1 and user_id = $2 returning id
"""

RESTORE = """
update audio_files set status = 'active', deleted_at = null
where id = $1 and user_id = $2 returning id
"""

ID_OF_CHARGE = "select id from audio_files where charge_id = $1 and user_id = $2"

# Free accounts only: who has bought credit keeps a history until deleting it.
HIDE_OLD_FREE = """
update audio_files set status = 'deleted', deleted_at = clock_timestamp()
where id in (
  select f.id from audio_files f join credits k on k.user_id = f.user_id
  where f.status = 'active' and not k.paid
    and f.created_at < clock_timestamp() - make_interval(days => $1)
  order by f.created_at limit $2)
returning id
"""

# What anybody has deleted goes for good after the same time in which it could be restored.
DROP_DELETED = """
delete from audio_files where id in (
  select id from audio_files where status = 'deleted'
    and deleted_at < clock_timestamp() - make_interval(days => $1)
  order by deleted_at limit $2)
returning id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """`cost` in micro-credits."""

    id: UUID
    user_id: UUID
    voice_id: UUID
    object_key: str
    charge_id: UUID
    text_content: str
    model: str
    source_type: str
    cost: int
    duration_ms: int
    usage: dict[str, Any]
    api_key_id: UUID | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class AudioFile:
    """`object_key` and `audio_format` are None when the audio itself was purged."""

    id: UUID
    voice_id: UUID
    voice_name: str
    object_key: str | None
    audio_format: str | None
    text_content: str
    model: str
    source_type: str
    cost: int
    duration_ms: int
    usage: dict[str, Any]
    request_id: str | None
    status: str
    created_at: datetime
    deleted_at: datetime | None


async def insert(tx: Tx, file: NewFile) -> None:
    await tx.execute(
        INSERT,
        file.id,
        file.user_id,
        file.voice_id,
        file.object_key,
        file.charge_id,
        file.text_content,
        file.model,
        file.source_type,
        file.cost,
        file.duration_ms,
        file.usage,
        file.api_key_id,
        file.request_id,
    )


async def count(tx: Tx, *, owner: UUID, status: str) -> int:
    found: int = await tx.fetchval(COUNT, owner, status)
    return found


async def list_files(
    tx: Tx, *, owner: UUID, status: str, limit: int, offset: int
) -> list[AudioFile]:
    """Newest first."""
    return [AudioFile(**row) for row in await tx.fetch(LIST, owner, status, limit, offset)]


async def find(tx: Tx, *, file_id: UUID, owner: UUID) -> AudioFile | None:
    row = await tx.fetchrow(FIND, file_id, owner)
    return AudioFile(**row) if row else None


async def delete(tx: Tx, *, file_id: UUID, owner: UUID) -> bool:
    """False when there is no such file. A second time changes nothing."""
    return await tx.fetchval(DELETE, file_id, owner) is not None


async def restore(tx: Tx, *, file_id: UUID, owner: UUID) -> bool:
    """False when there is no such file, or no longer."""
    return await tx.fetchval(RESTORE, file_id, owner) is not None


async def id_of_charge(tx: Tx, *, charge_id: UUID, owner: UUID) -> UUID | None:
    found: UUID | None = await tx.fetchval(ID_OF_CHARGE, charge_id, owner)
    return found


async def hide_old_free(tx: Tx, *, older_than_days: int, limit: int) -> int:
    """Delete, restorably, what free accounts made long ago; how many."""
    return len(await tx.fetch(HIDE_OLD_FREE, older_than_days, limit))


async def drop_deleted(tx: Tx, *, older_than_days: int, limit: int) -> int:
    """Drop for good what was deleted long ago; how many."""
    return len(await tx.fetch(DROP_DELETED, older_than_days, limit))
