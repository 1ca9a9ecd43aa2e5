"""GET and PATCH /api/limits: spending cap, low-balance notice and time zone of an account."""

from datetime import datetime
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from billing import limits
from billing.money import MicroCredits, from_credits, to_credits
from control_plane.http_errors import parse_json
from control_plane.limits.doors import limited
from control_plane.openapi import body_of
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices, SignedIn
from shared.db import Tx, transaction

router = APIRouter(tags=["credits"])

CREDITS_MAX: Final = 1_000_000_000  # fits, in micro-credits, a hundred times over


class AccountLimits(Answer):
    """
    In credits. `monthlyCap` null: none; `spent` counts against it until `monthEnds`. A mail goes
    out when less than `lowBalance` is available; null: never.
    """

    monthly_cap: int | float | None
    spent: int | float
    month_ends: datetime
    low_balance: int | float | None
    time_zone: str


class LimitsChange(BaseModel):
    """Only what is named is changed; null takes a limit away."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True)

    monthly_cap: int | None = Field(default=None, ge=0, le=CREDITS_MAX)
    low_balance: int | None = Field(default=None, ge=1, le=CREDITS_MAX)
    time_zone: str = Field(default="UTC", min_length=1, max_length=limits.ZONE_CHARS_MAX)


@router.get("/api/limits", responses=errors(401, 503))
async def get_limits(services: CurrentServices, user_id: SignedIn) -> AccountLimits:
    """What the person has set, and what this month's spending is."""
    async with transaction(services.pool) as tx:
        return await _view(tx, user_id)


@router.patch(
    "/api/limits",
    dependencies=[limited("till")],
    responses=errors(400, 401, 413, 429, 503),
    openapi_extra=body_of(LimitsChange),
)
async def change_limits(
    request: Request, services: CurrentServices, user_id: SignedIn
) -> AccountLimits:
    """A lower cap counts for what starts or goes on from now; what is held already is not taken."""
    change = parse_json(LimitsChange, await request.body())
    async with transaction(services.pool) as tx:
        await _apply(tx, user_id, change)
        return await _view(tx, user_id)


async def _apply(tx: Tx, user_id: UUID, change: LimitsChange) -> None:
    named = change.model_fields_set
    if "time_zone" in named:
        await limits.set_time_zone(tx, user_id=user_id, name=change.time_zone)
    if "monthly_cap" in named:
        await limits.set_spending_cap(tx, user_id=user_id, cap=_micro(change.monthly_cap))
    if "low_balance" in named:
        await limits.set_low_balance_notice(tx, user_id=user_id, below=_micro(change.low_balance))


def _micro(whole: int | None) -> MicroCredits | None:
    return None if whole is None else from_credits(whole)


def _shown(amount: int | None) -> int | float | None:
    return None if amount is None else to_credits(amount)


async def _view(tx: Tx, user_id: UUID) -> AccountLimits:
    found = await limits.limits_of(tx, user_id)
    return AccountLimits(
        monthly_cap=_shown(found.spend_cap),
        spent=to_credits(found.spent),
        month_ends=found.month_ends,
        low_balance=_shown(found.low_balance_at),
        time_zone=found.time_zone,
    )
