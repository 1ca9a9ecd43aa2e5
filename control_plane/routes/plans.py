"""GET /api/plans: what can be subscribed to, open to everybody."""

from fastapi import APIRouter

from billing.money import to_credits
from billing.store import plans
from billing.store.plans import Plan
from control_plane.limits.doors import limited
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices
from shared.db import transaction

router = APIRouter(tags=["plans"])


class PlanFeatures(Answer):
    """Counts are how many an account may have at a time."""

    custom_characters: int
    scenes: bool
    longer_texts: bool
    api_keys: int
    concurrent_calls: int


class PlanView(Answer):
    """
    `amount` is a month's, in the currency's smallest unit; None for the plans that everybody has.

    `is_offered`: can be subscribed to now. Credits expire `rollover_months` after their month;
    None: never; up to `rollover_credits` of what would end are kept at each renewal.
    `first_month_percent_off` is for who never subscribed.
    """

    id: str
    name: str
    currency: str | None
    amount: int | None
    credits: int | float | None
    first_month_percent_off: int | None
    rollover_months: int | None
    rollover_credits: int | float | None
    is_offered: bool
    features: PlanFeatures


class Plans(Answer):
    data: list[PlanView]


@router.get("/api/plans", dependencies=[limited("anonymous")], responses=errors(429, 503))
async def list_plans(services: CurrentServices) -> Plans:
    """All plans, the smallest first."""
    async with transaction(services.pool) as tx:
        found = await plans.all_plans(tx)
    return Plans(data=[_view(plan, has_till=services.till is not None) for plan in found])


def features_view(plan: Plan) -> PlanFeatures:
    return PlanFeatures(
        custom_characters=plan.custom_characters,
        scenes=plan.scenes,
        longer_texts=plan.longer_texts,
        api_keys=plan.api_keys,
        concurrent_calls=plan.concurrent_calls,
    )


def _view(plan: Plan, *, has_till: bool) -> PlanView:
    return PlanView(
        id=plan.id,
        name=plan.name,
        currency=plan.currency,
        amount=plan.amount,
        credits=_shown(plan.credits),
        first_month_percent_off=plan.first_month_percent_off,
        rollover_months=plan.rollover_months,
        rollover_credits=_shown(plan.rollover_credits),
        is_offered=has_till and plan.stripe_price is not None,
        features=features_view(plan),
    )


def _shown(micro: int | None) -> int | float | None:
    return None if micro is None else to_credits(micro)
