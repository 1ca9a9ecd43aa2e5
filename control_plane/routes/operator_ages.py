"""POST /api/operator/accounts/{user_id}/age: what staff knows of an account's age."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request

from control_plane.auth import Identity
from control_plane.callers import Role, needs_role
from control_plane.http_errors import parse_json
from control_plane.openapi import body_of
from control_plane.routes.answers import Answer, errors
from control_plane.routes.operator_actions import Reasoned
from control_plane.safety import ages
from control_plane.safety.running import end_calls_outside_minors_mode
from control_plane.services import CurrentServices
from shared.db import transaction

router = APIRouter(tags=["operators"])


class AgeMark(Reasoned):
    """False is minors' mode."""

    is_adult: Annotated[bool, Field(strict=True)]


class Marked(Answer):
    user_id: UUID
    is_adult: bool


@router.post(
    "/api/operator/accounts/{user_id}/age",
    responses=errors(400, 401, 403, 404, 409, 413, 503),
    openapi_extra=body_of(AgeMark),
)
async def mark_age(
    user_id: UUID,
    request: Request,
    services: CurrentServices,
    operator: Annotated[Identity, needs_role(Role.OPERATOR)],
) -> Marked:
    """Minors' mode on or off, whatever the account has said. Turned on, it ends running calls."""
    mark = parse_json(AgeMark, await request.body())
    async with transaction(services.pool) as tx:
        await ages.mark_age(
            tx,
            user_id=user_id,
            is_adult=mark.is_adult,
            actor=operator.subject,
            reason=mark.reason,
        )
    if not mark.is_adult:
        await end_calls_outside_minors_mode(services, user_id)
    return Marked(user_id=user_id, is_adult=mark.is_adult)
