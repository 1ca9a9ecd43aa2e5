"""
GET /api/daily-stats, in upstream's manner: a cron job with CRON_SECRET sends the report of a day to
the operators' chat, once; an operator's session reads the figures, and sends nothing.
"""

import hmac
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request

from billing.money import to_credits
from control_plane.auth import Role, bearer_token
from control_plane.daily_stats import DailyStats, stats_of, yesterday
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices, Services
from control_plane.telegram_report import DailyReport, Telegram
from shared.db import transaction
from shared.errors import Forbidden

router = APIRouter(tags=["operators"])


class RevenueView(Answer):
    """In the currency's smallest unit; `givenBack` is refunds and lost or open disputes."""

    currency: str
    payments: int
    gross: int
    given_back: int


class UseView(Answer):
    """`unknownCostUses` of the uses cost something that is not in `costUsd`."""

    product: str
    model: str
    uses: int
    credits: int | float
    seconds: int
    cost_usd: float
    unknown_cost_uses: int


class StatsView(Answer):
    """`marginUsd` is null where a cost is unknown or money came in another currency."""

    ok: bool = True
    sent: bool
    day: date
    time_zone: str
    revenue: list[RevenueView] = Field(default_factory=list)
    cost_usd: float | None = None
    unknown_cost_uses: int | None = None
    margin_usd: float | None = None
    calls: int | None = None
    call_seconds: int | None = None
    generations: int | None = None
    failed_calls: int | None = None
    failed_generations: int | None = None
    failed_payments: int | None = None
    new_accounts: int | None = None
    uses: list[UseView] = Field(default_factory=list)


@router.get("/api/daily-stats", responses=errors(400, 401, 403, 503))
async def get_daily_stats(
    request: Request,
    services: CurrentServices,
    day: Annotated[date | None, Query(alias="date")] = None,
) -> StatsView:
    """Of `date`, or of yesterday in the operators' time zone."""
    token = bearer_token(request.headers)
    zone = services.settings.stats_time_zone
    wanted = day or yesterday(services.clock.now(), zone)
    if _is_cron(token, services):
        report = DailyReport(services.pool, Telegram(services.settings), services.clock, zone)
        return StatsView(sent=await report.send(wanted), day=wanted, time_zone=zone)
    identity = await services.sessions.verify(token)
    if not identity.role.includes(Role.OPERATOR):
        raise Forbidden
    async with transaction(services.pool) as tx:
        stats = await stats_of(tx, wanted, zone=zone)
    return _view(stats)


def _is_cron(token: str, services: Services) -> bool:
    secret = services.settings.cron_secret
    return secret is not None and hmac.compare_digest(
        token.encode(), secret.get_secret_value().encode()
    )


def _view(stats: DailyStats) -> StatsView:
    margin = stats.margin_microdollars
    return StatsView(
        sent=False,
        day=stats.day,
        time_zone=stats.zone,
        revenue=[
            RevenueView(
                currency=one.currency,
                payments=one.payments,
                gross=one.gross,
                given_back=one.given_back,
            )
            for one in stats.money
        ],
        cost_usd=stats.known_cost_microdollars / 1e6,
        unknown_cost_uses=stats.unknown_cost_uses,
        margin_usd=None if margin is None else margin / 1e6,
        calls=stats.calls,
        call_seconds=stats.call_seconds,
        generations=stats.generations,
        failed_calls=stats.counts.failed_calls,
        failed_generations=stats.counts.failed_generations,
        failed_payments=stats.counts.failed_payments,
        new_accounts=stats.counts.new_accounts,
        uses=[
            UseView(
                product=use.product,
                model=use.model,
                uses=use.uses,
                credits=to_credits(use.microcredits),
                seconds=use.seconds,
                cost_usd=use.microdollars / 1e6,
                unknown_cost_uses=use.unknown_uses,
            )
            for use in stats.uses
        ],
    )
