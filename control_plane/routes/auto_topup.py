"""GET and PUT /api/auto-topup: paying by itself before credit runs out. Off unless asked for."""

from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from billing.money import MICRO, to_credits
from billing.quotes import quote_amount
from billing.store import auto_topups as store
from billing.store.auto_topups import Rule
from control_plane.http_errors import parse_json
from control_plane.limits.doors import limited
from control_plane.openapi import body_of
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices, SignedIn
from control_plane.till import CurrentTill
from shared.db import transaction
from shared.errors import Invalid

router = APIRouter(tags=["payments"])

THRESHOLD_MAX: Final = 10_000_000  # credits
AMOUNT_MAX: Final = 99_999_999  # Stripe's own


class AutoTopupWish(BaseModel):
    """Below `threshold` free credits `amount` is paid, and `monthAmountMax` a month at most."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    isOn: bool  # noqa: N815 - as all of our JSON
    threshold: Annotated[int, Field(ge=1, le=THRESHOLD_MAX)]
    amount: Annotated[int, Field(ge=1, le=AMOUNT_MAX)]
    monthAmountMax: Annotated[int, Field(ge=1, le=AMOUNT_MAX)]  # noqa: N815 - as all of our JSON
    currency: Annotated[str, Field(pattern="^[a-z]{3}$")] = "usd"


class AutoTopup(Answer):
    """`state`: off, ready, or needs_action after a payment that failed, with the bank's reason."""

    is_on: bool
    state: str
    failure: str | None = None
    threshold: int | float | None = None
    amount: int | None = None
    month_amount_max: int | None = None
    month_amount_spent: int = 0
    currency: str | None = None


@router.get("/api/auto-topup", responses=errors(401, 503))
async def get_auto_topup(services: CurrentServices, user_id: SignedIn) -> AutoTopup:
    """What is agreed, and whether it works."""
    async with transaction(services.pool) as tx:
        rule = await store.rule_of(tx, user_id)
        spent = await store.spent_this_month(tx, user_id, rule.currency) if rule else 0
    return _shown(rule, spent)


@router.put(
    "/api/auto-topup",
    dependencies=[limited("checkout")],
    openapi_extra=body_of(AutoTopupWish),
    responses=errors(400, 401, 413, 429, 503),
)
async def put_auto_topup(
    request: Request, services: CurrentServices, user_id: SignedIn, _till: CurrentTill
) -> AutoTopup:
    """Agree anew; after a payment that failed this also lets it be tried again."""
    wanted = parse_json(AutoTopupWish, await request.body())
    if wanted.monthAmountMax < wanted.amount:
        raise Invalid("monthAmountMax must not be below amount", param="monthAmountMax")
    async with transaction(services.pool) as tx:
        await quote_amount(tx, wanted.amount, currency=wanted.currency)
        await store.put_rule(
            tx,
            owner=user_id,
            is_on=wanted.isOn,
            threshold=wanted.threshold * MICRO,
            amount=wanted.amount,
            currency=wanted.currency,
            month_amount_max=wanted.monthAmountMax,
        )
        rule = await store.rule_of(tx, user_id)
        spent = await store.spent_this_month(tx, user_id, wanted.currency)
    return _shown(rule, spent)


def _shown(rule: Rule | None, spent: int) -> AutoTopup:
    if rule is None:
        return AutoTopup(is_on=False, state="off")
    return AutoTopup(
        is_on=rule.is_on,
        state=rule.state if rule.is_on else "off",
        failure=rule.failure,
        threshold=to_credits(rule.threshold),
        amount=rule.amount,
        month_amount_max=rule.month_amount_max,
        month_amount_spent=spent,
        currency=rule.currency,
    )
