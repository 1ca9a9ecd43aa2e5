"""GET and PATCH /api/call-settings: memory of calls, and how long their texts are kept."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from starlette.requests import Request

from billing.features import keeps_memories
from control_plane.after_calls.retention import obey
from control_plane.after_calls.settings import Retention
from control_plane.http_errors import parse_json
from control_plane.limits.doors import limited
from control_plane.memories.choosing import MemoryMode, MemoryScope
from control_plane.openapi import body_of
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices, Services, SignedIn
from control_plane.store import call_preferences
from shared.db import Tx, transaction
from shared.ids import UserId

router = APIRouter(tags=["calls"])


class CallPreferences(Answer):
    """`memory` null: never said, so the page's switch decides; `lasting_offered`: by the plan."""

    memory: str | None
    memory_scope: str
    retention: str
    lasting_offered: bool


class PreferencesChange(BaseModel):
    """Only what is named is changed."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    memory: MemoryMode | None = None
    memory_scope: MemoryScope = "character"
    retention: Retention = "30_days"


@router.get("/api/call-settings", responses=errors(401, 503))
async def get_call_settings(services: CurrentServices, user_id: SignedIn) -> CallPreferences:
    """What holds for the next call."""
    async with transaction(services.pool) as tx:
        return await _view(tx, services, user_id)


@router.patch(
    "/api/call-settings",
    dependencies=[limited("text")],
    responses=errors(400, 401, 413, 429, 503),
    openapi_extra=body_of(PreferencesChange),
)
async def change_call_settings(
    request: Request, services: CurrentServices, user_id: SignedIn
) -> CallPreferences:
    """Retention holds for past calls too; `memory` off keeps what there is, DELETE erases it."""
    change = parse_json(PreferencesChange, await request.body())
    async with transaction(services.pool) as tx:
        await _apply(tx, user_id, change)
        return await _view(tx, services, user_id)


async def _apply(tx: Tx, user_id: UserId, change: PreferencesChange) -> None:
    named = change.model_fields_set
    before = await call_preferences.of_owner(tx, user_id)
    await call_preferences.put(
        tx,
        owner=user_id,
        memory_mode=change.memory if "memory" in named else before.memory_mode,
        memory_scope=change.memory_scope if "memory_scope" in named else before.memory_scope,
        retention=change.retention if "retention" in named else before.retention,
    )
    if "retention" in named:
        await obey(tx, user_id, change.retention)


async def _view(tx: Tx, services: Services, user_id: UserId) -> CallPreferences:
    found = await call_preferences.of_owner(tx, user_id)
    return CallPreferences(
        memory=found.memory_mode,
        memory_scope=found.memory_scope or "character",
        retention=found.retention or services.settings.call_retention,
        lasting_offered=await keeps_memories(tx, user_id),
    )
