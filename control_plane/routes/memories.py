"""GET, PUT and DELETE /api/memories: what characters remember belongs to who told it."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from control_plane.http_errors import parse_json
from control_plane.limits.doors import limited
from control_plane.openapi import body_of
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices, SignedIn
from control_plane.store.memories import Memory

router = APIRouter(tags=["memories"])

CHARACTER_ID_CHARS_MAX: Final = 64

CharacterId = Annotated[
    str | None,
    Query(alias="characterId", pattern="^[A-Za-z0-9_-]+$", max_length=CHARACTER_ID_CHARS_MAX),
]


class MemoryView(Answer):
    """`character_id` `__shared__`: all characters. `source`: call, caller (in it), or owner."""

    id: UUID
    character_id: str
    memory_type: str
    content: str
    source: str
    call_id: UUID | None
    created_at: datetime
    updated_at: datetime
    used_at: datetime


class Memories(Answer):
    data: list[MemoryView]


class MemoryChange(BaseModel):
    """PUT. Other words for one memory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: UUID
    content: str


class Erased(BaseModel):
    success: bool = True
    deleted: int


@router.get("/api/memories", responses=errors(400, 401, 503))
async def list_memories(
    services: CurrentServices, user_id: SignedIn, character_id: CharacterId = None
) -> Memories:
    """All of them, newest first."""
    found = await services.memories.all_of(user_id, character_id=character_id)
    return Memories(data=[view_of(memory) for memory in found])


@router.get("/api/memories/export", responses=errors(401, 503))
async def export_memories(
    services: CurrentServices, user_id: SignedIn, response: Response
) -> Memories:
    """The same as a file."""
    response.headers["Content-Disposition"] = 'attachment; filename="memories.json"'
    found = await services.memories.all_of(user_id)
    return Memories(data=[view_of(memory) for memory in found])


@router.put(
    "/api/memories",
    dependencies=[limited("text")],
    responses=errors(400, 401, 404, 413, 429, 503),
    openapi_extra=body_of(MemoryChange),
)
async def edit_memory(request: Request, services: CurrentServices, user_id: SignedIn) -> MemoryView:
    """Put one right. No model replaces what its owner wrote."""
    change = parse_json(MemoryChange, await request.body())
    return view_of(await services.memories.edit(user_id, change.id, change.content))


@router.delete("/api/memories", responses=errors(400, 401, 404, 503))
async def erase_memories(
    services: CurrentServices,
    user_id: SignedIn,
    memory_id: Annotated[UUID | None, Query(alias="id")] = None,
    character_id: CharacterId = None,
) -> Erased:
    """One, one character's, or all; at once, and for calls whose memories are still to be made."""
    if memory_id is not None:
        await services.memories.erase_one(user_id, memory_id)
        return Erased(deleted=1)
    return Erased(deleted=await services.memories.erase_all(user_id, character_id=character_id))


def view_of(memory: Memory) -> MemoryView:
    return MemoryView.model_validate(memory, from_attributes=True)
