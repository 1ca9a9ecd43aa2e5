"""An account's own audio: GET /api/audio-files, DELETE and restore of one."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from billing.money import to_credits
from control_plane.audio.port import AudioFormat
from control_plane.routes.answers import PAGE_SIZE, Answer, PageNumber, PageSize, errors, page_count
from control_plane.services import CurrentServices, Services, SignedIn
from control_plane.speech.links import link_to
from control_plane.store import audio_files
from control_plane.store.audio_files import AudioFile
from shared.db import transaction
from shared.errors import NotFound

router = APIRouter(tags=["history"])


class AudioFileNotFound(NotFound):
    """Audio file not found"""

    code = "audio_file_not_found"


class AudioFileView(BaseModel):
    """`url` is good for a day, and null when the audio itself was purged; duration in seconds."""

    id: UUID
    voice_id: UUID
    voice_name: str
    url: str | None
    text_content: str
    model: str
    source_type: str
    credits_used: int | float
    duration: float
    usage: dict[str, Any]
    request_id: str | None
    status: str
    created_at: datetime
    deleted_at: datetime | None


class AudioFilePage(Answer):
    data: list[AudioFileView]
    page: int
    page_size: int
    total_count: int
    total_pages: int


class Done(BaseModel):
    success: bool = True


@router.get("/api/audio-files", responses=errors(400, 401, 503))
async def list_audio_files(
    services: CurrentServices,
    user_id: SignedIn,
    page: PageNumber = 1,
    page_size: PageSize = PAGE_SIZE,
    status: Annotated[Literal["active", "deleted"], Query()] = "active",
) -> AudioFilePage:
    """What the account has made, newest first."""
    async with transaction(services.pool) as tx:
        total = await audio_files.count(tx, owner=user_id, status=status)
        files = await audio_files.list_files(
            tx, owner=user_id, status=status, limit=page_size, offset=(page - 1) * page_size
        )
    return AudioFilePage(
        data=[await _view(services, file) for file in files],
        page=page,
        page_size=page_size,
        total_count=total,
        total_pages=page_count(total, page_size),
    )


@router.get("/api/audio-files/{file_id}", responses=errors(401, 404, 503))
async def get_audio_file(
    file_id: UUID, services: CurrentServices, user_id: SignedIn
) -> AudioFileView:
    """One of the account's files, deleted ones too."""
    async with transaction(services.pool) as tx:
        file = await audio_files.find(tx, file_id=file_id, owner=user_id)
    if file is None:
        raise AudioFileNotFound
    return await _view(services, file)


@router.delete("/api/audio-files/{file_id}", responses=errors(401, 404, 503))
async def delete_audio_file(file_id: UUID, services: CurrentServices, user_id: SignedIn) -> Done:
    """Take it out of the history. It can be restored for some time; nobody else's link breaks."""
    async with transaction(services.pool) as tx:
        found = await audio_files.delete(tx, file_id=file_id, owner=user_id)
    if not found:
        raise AudioFileNotFound
    return Done()


@router.post("/api/audio-files/{file_id}/restore", responses=errors(401, 404, 503))
async def restore_audio_file(file_id: UUID, services: CurrentServices, user_id: SignedIn) -> Done:
    """Put it back into the history."""
    async with transaction(services.pool) as tx:
        found = await audio_files.restore(tx, file_id=file_id, owner=user_id)
    if not found:
        raise AudioFileNotFound
    return Done()


async def _view(services: Services, file: AudioFile) -> AudioFileView:
    url = None
    if file.object_key is not None and file.audio_format is not None:
        url = await link_to(services.objects, file.object_key, AudioFormat(file.audio_format))
    return AudioFileView(
        id=file.id,
        voice_id=file.voice_id,
        voice_name=file.voice_name,
        url=url,
        text_content=file.text_content,
        model=file.model,
        source_type=file.source_type,
        credits_used=to_credits(file.cost),
        duration=file.duration_ms / 1_000,
        usage=file.usage,
        request_id=file.request_id,
        status=file.status,
        created_at=file.created_at,
        deleted_at=file.deleted_at,
    )
