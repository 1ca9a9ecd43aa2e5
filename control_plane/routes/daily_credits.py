"""GET /api/credits/daily: the free credits of each day."""

from datetime import datetime

from fastapi import APIRouter

from billing import daily_credits, ledger
from billing.money import to_credits
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices, SignedIn
from shared.db import transaction

router = APIRouter(tags=["credits"])


class DailyCredits(Answer):
    """
    `credits` a day, 0 when there are none; never more than `cap` of them at a time, each for
    `lastDays` days. `lastAt` is when they came last; `nextAt` is the earliest time of the next
    ones, which come with the first visit after it.
    """

    credits: int | float
    cap: int | float
    last_days: int
    time_zone: str
    last_at: datetime | None
    next_at: datetime | None


@router.get("/api/credits/daily", responses=errors(401, 503))
async def get_daily_credits(services: CurrentServices, user_id: SignedIn) -> DailyCredits:
    """Asking is a visit: what was due today is there afterwards."""
    async with transaction(services.pool) as tx:
        await ledger.visit(tx, user_id)
        daily = await daily_credits.daily_credits_of(tx, user_id)
    rule, standing = daily.rule, daily.standing
    return DailyCredits(
        credits=to_credits(rule.credits) if rule else 0,
        cap=to_credits(rule.cap) if rule else 0,
        last_days=rule.last_days if rule else 0,
        time_zone=standing.time_zone,
        last_at=standing.last_at,
        next_at=standing.next_at if rule else None,
    )
