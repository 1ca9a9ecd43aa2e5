"""
POST /api/operator/accounts/{user_id}/grant, adjust, freeze, unfreeze: for operators alone.

Each needs a reason and leaves an entry in the audit log. What moves money needs an Idempotency-Key:
a request that is sent again after a lost answer moves it once.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.requests import Request

from billing.audit import REASON_CHARS_MAX
from billing.money import from_credits, to_credits
from control_plane.admin import actions
from control_plane.admin.actions import CREDITS_MAX, Movement
from control_plane.auth import Identity
from control_plane.callers import Role, needs_role
from control_plane.http_errors import parse_json
from control_plane.idempotency import idempotency_key
from control_plane.openapi import body_of
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices
from shared.db import transaction
from shared.errors import Invalid

router = APIRouter(tags=["operators"])

Operator = Annotated[Identity, needs_role(Role.OPERATOR)]


class Reasoned(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    reason: str = Field(max_length=REASON_CHARS_MAX + 100)  # space around it does not count


class GrantWish(Reasoned):
    """Whole credits; `expiresAt` None: never."""

    credits: int = Field(gt=0, le=CREDITS_MAX)
    expires_at: AwareDatetime | None = None


class AdjustWish(Reasoned):
    """Whole credits, negative to take some."""

    credits: int = Field(ge=-CREDITS_MAX, le=CREDITS_MAX)


class Moved(Answer):
    """In credits. `repeated`: this request was done before."""

    repeated: bool
    amount: int | float
    available: int | float
    debt: int | float


class Frozen(Answer):
    user_id: UUID
    frozen: bool


@router.post(
    "/api/operator/accounts/{user_id}/grant",
    responses=errors(400, 401, 403, 404, 409, 413, 503),
    openapi_extra=body_of(GrantWish),
)
async def grant(
    user_id: UUID, request: Request, services: CurrentServices, operator: Operator
) -> Moved:
    """Give free credit."""
    wish = parse_json(GrantWish, await request.body())
    _must_lie_ahead(wish.expires_at, services.clock.now())
    async with transaction(services.pool) as tx:
        moved = await actions.grant(
            tx,
            user_id=user_id,
            amount=from_credits(wish.credits),
            expires_at=wish.expires_at,
            key=_key(request),
            actor=operator.subject,
            reason=wish.reason,
        )
    return _view(moved)


@router.post(
    "/api/operator/accounts/{user_id}/adjust",
    responses=errors(400, 401, 403, 404, 409, 413, 503),
    openapi_extra=body_of(AdjustWish),
)
async def adjust(
    user_id: UUID, request: Request, services: CurrentServices, operator: Operator
) -> Moved:
    """Correct a balance; what is taken beyond free credit becomes debt."""
    wish = parse_json(AdjustWish, await request.body())
    async with transaction(services.pool) as tx:
        moved = await actions.adjust(
            tx,
            user_id=user_id,
            amount=from_credits(wish.credits),
            key=_key(request),
            actor=operator.subject,
            reason=wish.reason,
        )
    return _view(moved)


@router.post(
    "/api/operator/accounts/{user_id}/freeze",
    responses=errors(400, 401, 403, 404, 409, 413, 503),
    openapi_extra=body_of(Reasoned),
)
async def freeze(
    user_id: UUID, request: Request, services: CurrentServices, operator: Operator
) -> Frozen:
    """Nothing new starts; what runs ends at its current grant."""
    wish = parse_json(Reasoned, await request.body())
    async with transaction(services.pool) as tx:
        await actions.freeze(tx, user_id=user_id, actor=operator.subject, reason=wish.reason)
    return Frozen(user_id=user_id, frozen=True)


@router.post(
    "/api/operator/accounts/{user_id}/unfreeze",
    responses=errors(400, 401, 403, 404, 409, 413, 503),
    openapi_extra=body_of(Reasoned),
)
async def unfreeze(
    user_id: UUID, request: Request, services: CurrentServices, operator: Operator
) -> Frozen:
    """The account may start things again."""
    wish = parse_json(Reasoned, await request.body())
    async with transaction(services.pool) as tx:
        await actions.unfreeze(tx, user_id=user_id, actor=operator.subject, reason=wish.reason)
    return Frozen(user_id=user_id, frozen=False)


def _key(request: Request) -> str:
    key = idempotency_key(request)
    if key is None:
        raise Invalid("An Idempotency-Key is needed", param="idempotency-key")
    return key


def _must_lie_ahead(expires_at: datetime | None, now: datetime) -> None:
    if expires_at and expires_at <= now:
        raise Invalid("expiresAt lies in the past", param="expiresAt")


def _view(moved: Movement) -> Moved:
    balance = moved.balance
    return Moved(
        repeated=not moved.is_new,
        amount=to_credits(balance.balance),
        available=to_credits(balance.available),
        debt=to_credits(balance.debt),
    )
