"""/api/operator/dead-letters: events of Stripe's that were given up, and trying them again."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.requests import Request

from billing.audit import REASON_CHARS_MAX
from control_plane.admin import dead_letters
from control_plane.auth import Identity
from control_plane.callers import Role, needs_role
from control_plane.http_errors import parse_json
from control_plane.openapi import body_of
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices
from control_plane.store import stripe_inbox
from shared.db import transaction

router = APIRouter(tags=["operators"])

LISTED_MAX = 100
EVENT_ID_CHARS_MAX = 255  # Stripe's


class DeadLetterView(Answer):
    event_id: str
    kind: str
    object_type: str
    object_id: str
    attempts: int
    last_error: str | None
    received_at: datetime
    dead_at: datetime


class DeadLetters(Answer):
    data: list[DeadLetterView]


class RetryWish(BaseModel):
    """`eventId` None: all of them."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    event_id: str | None = Field(default=None, min_length=1, max_length=EVENT_ID_CHARS_MAX)
    reason: str = Field(max_length=REASON_CHARS_MAX + 100)


class Retried(Answer):
    count: int


@router.get(
    "/api/operator/dead-letters",
    responses=errors(401, 403, 503),
    dependencies=[needs_role(Role.SUPPORT)],
)
async def list_dead_letters(services: CurrentServices) -> DeadLetters:
    """What was given up, the latest first."""
    async with transaction(services.pool) as tx:
        found = await stripe_inbox.dead(tx, limit=LISTED_MAX)
    return DeadLetters(
        data=[
            DeadLetterView(
                event_id=one.event_id,
                kind=one.kind,
                object_type=one.object_type,
                object_id=one.object_id,
                attempts=one.attempts,
                last_error=one.last_error,
                received_at=one.received_at,
                dead_at=one.dead_at,
            )
            for one in found
        ]
    )


@router.post(
    "/api/operator/dead-letters/retry",
    responses=errors(400, 401, 403, 413, 503),
    openapi_extra=body_of(RetryWish),
)
async def retry_dead_letters(
    request: Request,
    services: CurrentServices,
    operator: Annotated[Identity, needs_role(Role.OPERATOR)],
) -> Retried:
    """Let the workers try again; they post what is missing, so nothing is posted twice."""
    wish = parse_json(RetryWish, await request.body())
    async with transaction(services.pool) as tx:
        count = await dead_letters.retry(
            tx, event_id=wish.event_id, actor=operator.subject, reason=wish.reason
        )
    return Retried(count=count)
