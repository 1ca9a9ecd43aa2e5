"""/api/subscription: the plan of the account that is signed in, and how to get another."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from billing import ledger, subscription_orders, subscriptions
from billing.customers import customer_of
from billing.store import customers, plans
from billing.store import subscriptions as store
from billing.store.subscriptions import KnownSubscription
from billing.subscription_orders import ReturnPages
from control_plane.http_errors import parse_json
from control_plane.idempotency import answered_once
from control_plane.limits.doors import limited
from control_plane.openapi import body_of
from control_plane.routes.answers import Answer, errors
from control_plane.routes.plans import PlanFeatures, features_view
from control_plane.services import CurrentServices, Services, SignedIn
from control_plane.settings import WebSettings
from control_plane.till import CurrentTill
from shared.db import Tx, transaction
from shared.errors import NotFound
from shared.ids import UserId

router = APIRouter(tags=["plans"])

SHOWN_MAX: Final = 10  # subscriptions, of which all but one have ended

PlanId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]


class CheckoutRequest(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    planId: PlanId  # noqa: N815 - as all our fields on this side


class CheckoutPage(Answer):
    """`url` is Stripe's page, None where it was completed meanwhile."""

    url: str | None
    order_id: str


class SubscriptionView(Answer):
    """`is_returned`: its last payment went back, and with it what it allowed."""

    id: str
    plan: str | None
    status: str
    current_period_start: datetime | None
    current_period_end: datetime | None
    cancel_at_period_end: bool
    is_returned: bool


class Standing(Answer):
    """`plan` is the best the account has; `is_paid`: money of it is with us."""

    plan: str
    plan_name: str
    is_paid: bool
    features: PlanFeatures
    subscriptions: list[SubscriptionView]


@router.get("/api/subscription", responses=errors(401, 404, 503))
async def get_subscription(services: CurrentServices, user_id: SignedIn) -> Standing:
    """The plan of the account and its subscriptions, the latest first."""
    async with transaction(services.pool) as tx:
        return await _standing(tx, user_id)


@router.post(
    "/api/subscription/checkout",
    dependencies=[limited("till")],
    openapi_extra=body_of(CheckoutRequest),
    response_model=CheckoutPage,
    responses=errors(400, 401, 403, 404, 409, 413, 429, 503),
)
async def open_checkout(
    request: Request, services: CurrentServices, till: CurrentTill, user_id: SignedIn
) -> Response:
    """Stripe's page for a plan; nothing is granted before its first invoice is paid."""
    body = await request.body()
    wanted = parse_json(CheckoutRequest, body)

    async def produce(request_key: str) -> Response:
        order = await subscription_orders.order(
            services.pool, user_id=user_id, plan_id=wanted.planId, request_key=request_key
        )
        url = await subscription_orders.page_of(
            services.pool,
            till,
            order,
            user_id=user_id,
            customer=await customer_of(services.pool, till, user_id),
            pages=_pages(services.settings),
        )
        page = CheckoutPage(url=url, order_id=str(order.id))
        return JSONResponse(page.model_dump(by_alias=True))

    return await answered_once(services, request, owner=user_id, body=body, produce=produce)


@router.post(
    "/api/subscription/refresh",
    dependencies=[limited("till")],
    responses=errors(401, 404, 429, 503),
)
async def refresh_subscription(
    services: CurrentServices, till: CurrentTill, user_id: SignedIn
) -> Standing:
    """As `GET`, after asking Stripe: for who comes back from its pages before its webhooks."""
    customer = await customer_known(services, user_id)
    if customer:
        await subscriptions.sync_customer(services.pool, till, customer)
    async with transaction(services.pool) as tx:
        return await _standing(tx, user_id)


async def customer_known(services: Services, user_id: UserId) -> str | None:
    """Who the account is at Stripe; None for who never bought. Frozen accounts may look, too."""
    async with transaction(services.pool) as tx:
        return await customers.customer_of(tx, user_id)


def _pages(settings: WebSettings) -> ReturnPages:
    base = settings.public_url
    return ReturnPages(
        success_url=f"{base}/checkout/success?session_id={{CHECKOUT_SESSION_ID}}",
        cancel_url=f"{base}/checkout/cancel",
    )


async def _standing(tx: Tx, user_id: UserId) -> Standing:
    plan = await plans.plan_of(tx, user_id)
    if plan is None:
        raise NotFound("Account not found")
    balance = await ledger.balance_of(tx, user_id)
    known = await store.subscriptions_of(tx, owner=user_id, limit=SHOWN_MAX)
    return Standing(
        plan=plan.id,
        plan_name=plan.name,
        is_paid=balance.paid,
        features=features_view(plan),
        subscriptions=[_view(each) for each in known],
    )


def _view(known: KnownSubscription) -> SubscriptionView:
    return SubscriptionView(
        id=known.id,
        plan=known.plan_id,
        status=known.status,
        current_period_start=known.period_start,
        current_period_end=known.period_end,
        cancel_at_period_end=known.cancel_at_period_end,
        is_returned=known.returned,
    )
